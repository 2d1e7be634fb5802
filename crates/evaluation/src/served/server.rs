//! Which server answers at an address, in its own words.

use secateur_endpoint::Line;
use secateur_endpoint::line::Answer;
use serde_json::Value;
use url::Url;

use super::settings::{ServedSettings, ServerKind};
use crate::engine::EngineError;

/// A server, by what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it is.
    pub kind: ServerKind,
    /// Its version, where it tells.
    pub version: Option<String>,
    /// Longest sequence it takes, prompt and answer together, where it tells.
    pub max_length: Option<usize>,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

/// Pages of a server that are read: each is JSON, or was not to be had.
struct Pages<'a> {
    line: &'a Line,
    root: &'a Url,
}

impl Pages<'_> {
    fn read(&self, path: &str) -> Result<Value, String> {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{path}", self.root.path().trim_end_matches('/')));
        match self.line.to(url.clone()).get() {
            Answer::Body(bytes) => super::reply::json(&bytes).map_err(|reason| format!("GET {url}: {reason}")),
            Answer::TooLarge => Err(format!("GET {url}: the answer is too large")),
            Answer::Passing { reason, advice, .. } => Err(format!("GET {url} {reason}; {advice}")),
            Answer::Refused { reason, advice, .. } => Err(format!("GET {url} {reason}; {advice}")),
        }
    }
}

impl Server {
    /// Asks the server what it is: the owner that `/v1/models` names, else the paths of its API.
    ///
    /// # Errors
    /// If it cannot be reached, or is none of those that are known and the settings do not say which it is.
    pub(super) fn identify(settings: &ServedSettings, line: &Line, root: &Url) -> Result<Self, EngineError> {
        let pages = Pages { line, root };
        let models = pages.read("/v1/models");
        let entry = models.as_ref().ok().and_then(|models| entry(models, &settings.model));
        let kind = match settings.server {
            Some(kind) => kind,
            None => match entry.and_then(owner) {
                Some(kind) => kind,
                None => by_paths(&pages).ok_or_else(|| unknown(settings, &models))?,
            },
        };
        let version = match kind {
            ServerKind::Vllm => pages.read("/version").ok().and_then(|page| text(&page, "/version")),
            ServerKind::Sglang => ["/server_info", "/get_server_info"]
                .iter()
                .find_map(|path| text(&pages.read(path).ok()?, "/version")),
            ServerKind::LlamaCpp => pages.read("/props").ok().and_then(|page| text(&page, "/build_info")),
            ServerKind::Transformers => None,
        };
        let length = |place| entry.and_then(|entry| entry.pointer(place)).and_then(Value::as_u64);
        let max_length = match kind {
            ServerKind::Vllm | ServerKind::Sglang => length("/max_model_len"),
            ServerKind::LlamaCpp => {
                let props = pages.read("/props").ok();
                let context = props
                    .as_ref()
                    .and_then(|page| page.pointer("/default_generation_settings/n_ctx"));
                context.and_then(Value::as_u64)
            }
            ServerKind::Transformers => None,
        };
        Ok(Self {
            kind,
            version,
            max_length: max_length
                .and_then(|length| usize::try_from(length).ok())
                .filter(|&length| length > 0),
        })
    }
}

/// The model's entry in the list of models, or the only one.
fn entry<'a>(models: &'a Value, name: &str) -> Option<&'a Value> {
    let entries = models.pointer("/data")?.as_array()?;
    let own = entries
        .iter()
        .find(|entry| entry.get("id").and_then(Value::as_str) == Some(name));
    own.or_else(|| entries.first())
}

fn owner(entry: &Value) -> Option<ServerKind> {
    match entry.get("owned_by")?.as_str()? {
        "vllm" => Some(ServerKind::Vllm),
        "sglang" => Some(ServerKind::Sglang),
        "llamacpp" => Some(ServerKind::LlamaCpp),
        _ => None,
    }
}

/// transformers' server names no owner, and lists no models where the hub's cache is empty; no other one has these two paths.
fn by_paths(pages: &Pages<'_>) -> Option<ServerKind> {
    let description = pages.read("/openapi.json").ok()?;
    let paths = description.get("paths")?.as_object()?;
    let has = |path: &str| paths.contains_key(path);
    (has("/load_model") && has("/v1/completions")).then_some(ServerKind::Transformers)
}

fn text(page: &Value, place: &str) -> Option<String> {
    let found = page.pointer(place)?.as_str()?.trim();
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    (!found.is_empty() && found.len() <= 100 && found.chars().all(plain)).then(|| found.to_owned())
}

fn unknown(settings: &ServedSettings, models: &Result<Value, String>) -> EngineError {
    EngineError(match models {
        Err(reason) => reason.clone(),
        Ok(_) => format!(
            "{}: the server does not say that it is vLLM, SGLang, llama.cpp's or transformers'; if it is one of them behind a \
             gateway, say so: `server = \"vllm\"`, \"sglang\", \"llama.cpp\" or \"transformers\"",
            settings.openai
        ),
    })
}
