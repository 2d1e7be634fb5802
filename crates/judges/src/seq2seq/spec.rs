//! config.json of a BART as numbers.

use secateur_model::ModelError;
use secateur_model::checkpoint::Config;

const FAMILY: &str = "bart";

/// What is between the two matrices of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`.
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// One of the two stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideSpec {
    /// Layers.
    pub layers: usize,
    /// Attention heads; the hidden width is a multiple.
    pub heads: usize,
    /// Width between the two matrices of a feed-forward block.
    pub inner: usize,
}

/// Numbers of the architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct BartSpec {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Longest sequence; the table of positions has two rows more.
    pub positions: usize,
    /// The encoder.
    pub encoder: SideSpec,
    /// The decoder.
    pub decoder: SideSpec,
    /// Of both.
    pub activation: Activation,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f64,
    /// What the decoder sees before the first token.
    pub start: u32,
}

impl BartSpec {
    /// Reads and checks config.json; `tensors` are in the files.
    ///
    /// # Errors
    /// If it is of another family, a field is missing or contradicts another, or an option is not implemented.
    pub fn read(config: &Config, tensors: usize) -> Result<Self, ModelError> {
        let family = config.required_str("model_type")?;
        if family != FAMILY {
            return Err(ModelError::UnknownFamily {
                file: config.file().to_path_buf(),
                found: family.to_owned(),
                supported: FAMILY.to_owned(),
            });
        }
        if config.optional_bool("tie_word_embeddings")? == Some(false) {
            return Err(unsupported(
                config,
                "tie_word_embeddings",
                "false",
                "BART's embedding is its output matrix too",
            ));
        }
        let hidden = config.required_positive("d_model")?;
        let vocabulary = config.required_positive("vocab_size")?;
        let start = config.optional_usize("decoder_start_token_id")?.unwrap_or(2);
        if start >= vocabulary {
            return Err(config
                .invalid(
                    "decoder_start_token_id",
                    format!("an id below vocab_size ({vocabulary})"),
                )
                .into());
        }
        let scaled = config.optional_bool("scale_embedding")?.unwrap_or(false);
        let side = |name: &str| side(config, name, hidden, tensors);
        Ok(Self {
            vocabulary,
            hidden,
            positions: config.required_positive("max_position_embeddings")?,
            encoder: side("encoder")?,
            decoder: side("decoder")?,
            activation: activation(config)?,
            embedding_scale: if scaled { (hidden as f64).sqrt() } else { 1.0 },
            start: start as u32,
        })
    }
}

fn side(config: &Config, name: &str, hidden: usize, tensors: usize) -> Result<SideSpec, ModelError> {
    let (layers, heads) = (format!("{name}_layers"), format!("{name}_attention_heads"));
    let spec = SideSpec {
        layers: config.required_positive(&layers)?,
        heads: config.required_positive(&heads)?,
        inner: config.required_positive(&format!("{name}_ffn_dim"))?,
    };
    if spec.layers > tensors {
        let expected = format!("at most {tensors}: the files hold that many tensors, and every layer has some");
        return Err(config.invalid(&layers, expected).into());
    }
    if !hidden.is_multiple_of(spec.heads) {
        return Err(config
            .invalid(&heads, format!("a divisor of d_model ({hidden})"))
            .into());
    }
    Ok(spec)
}

fn activation(config: &Config) -> Result<Activation, ModelError> {
    const FIELD: &str = "activation_function";
    match config.optional_str(FIELD)?.unwrap_or("gelu") {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(unsupported(
            config,
            FIELD,
            other,
            "expected `gelu`, `gelu_new`, `gelu_pytorch_tanh` or `relu`",
        )),
    }
}

fn unsupported(config: &Config, option: &str, found: &str, expected: &str) -> ModelError {
    ModelError::UnsupportedOption {
        file: config.file().to_path_buf(),
        option: option.to_owned(),
        found: found.to_owned(),
        family: FAMILY,
        expected: expected.to_owned(),
    }
}
