#!/usr/bin/env python3
"""Tiny random encoders in hub layout, with logits and hidden states of transformers.

Usage: gen_judges.py OUT_DIR [name ...]

Each directory holds a checkpoint (config.json, tokenizer.json, tokenizer_config.json, safetensors), golden.json (texts, token ids,
versions) and golden.safetensors (logits in f32 and f64, hidden states in f64). crates/judges/fixtures/encoders/README.md says how.
"""
import hashlib, json, math, os, re, shutil, sys
import numpy as np
import tokenizers, torch, transformers
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoTokenizer, logging as hf_logging
from gen_models import Float64Mode, gen_for, nullmode
from gen_tokenizer import CORPUS

hf_logging.set_verbosity_error()
torch.set_num_threads(1)
VOCABULARY = 280
MORE = """
Aspirin lowers the risk of a second heart attack, but it does not lower the risk of a first one in healthy adults. The trial enrolled
1,204 patients in 2019; 37 of them had a stroke. Metformin is not given to patients with severe kidney disease. The drug was approved
in March 2021. No patient died. The dose was raised from 5 mg to 10 mg once a day. Insulin is made in the pancreas.
"""


# ------------------------------------------------------------------ tokenizers
def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator([CORPUS, MORE], trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, limit_alphabet=70))
    return finish(t, special, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"]), dict(
        pad="[PAD]", unk="[UNK]", cls="[CLS]", sep="[SEP]", mask="[MASK]", types=True)


def byte_bpe():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t.train_from_iterator([CORPUS, MORE], trainers.BpeTrainer(
        vocab_size=VOCABULARY + 60, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return t, dict(pad="<pad>", unk="<unk>", cls="<s>", sep="</s>", mask="<mask>", types=False)


def unigram(style):
    """`albert` and `deberta`: [CLS] A [SEP] B [SEP]; `xlm`: <s> A </s></s> B </s>; `t5`: A </s> B </s>."""
    special, unk = {
        "albert": (["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>"),
        "deberta": (["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]"),
        "xlm": (["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<unk>"),
        "t5": (["<pad>", "</s>", "<unk>"], "<unk>"),
    }[style]
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC()] + ([normalizers.Lowercase()] if style == "albert" else []))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator((CORPUS + MORE).splitlines(), trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=special, unk_token=unk))
    if style in ("albert", "deberta"):
        t = finish(t, special, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"])
        return t, dict(pad=special[0], unk=unk, cls="[CLS]", sep="[SEP]", mask="[MASK]", types=True)
    if style == "xlm":
        t = finish(t, special, "<s> $A </s>", "<s> $A </s> </s> $B </s>", ["<s>", "</s>"])
        return t, dict(pad="<pad>", unk=unk, cls="<s>", sep="</s>", mask="<mask>", types=False)
    t = finish(t, special, "$A </s>", "$A </s> $B </s>", ["</s>"])
    return t, dict(pad="<pad>", unk=unk, eos="</s>", types=False)


def finish(t, special, single, pair, used):
    t.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(s, t.token_to_id(s)) for s in used])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    return t


def save_tokenizer(directory, t, roles, max_length):
    t.save(os.path.join(directory, "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config |= {f"{role}_token": roles[role] for role in ("pad", "unk", "cls", "sep", "mask", "eos") if role in roles}
    config["model_input_names"] = ["input_ids"] + (["token_type_ids"] if roles["types"] else []) + ["attention_mask"]
    if max_length:
        config["model_max_length"] = max_length
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as f:
        json.dump(config, f, indent=1)


# ------------------------------------------------------------------ checkpoints
NLI = {"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"}, "label2id": {"entailment": 0, "neutral": 1, "contradiction": 2}}
TWO = {"id2label": {"0": "unsupported", "1": "supported"}, "label2id": {"unsupported": 0, "supported": 1}}
ONE = {"id2label": {"0": "score"}, "label2id": {"score": 0}}
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=64)
T5 = dict(d_model=32, d_kv=12, num_heads=4, d_ff=48, num_layers=3, num_decoder_layers=1, relative_attention_num_buckets=16,
          relative_attention_max_distance=24)
DEBERTA = SMALL | dict(relative_attention=True, layer_norm_eps=1e-7)

SPECS = {
    # name: (class, tokenizer, dtype, tokenizer's model_max_length, config, tricks)
    "bert-nli": ("BertForSequenceClassification", wordpiece, "f32", 48, dict(model_type="bert", **SMALL, **NLI), ["old-names", "leftovers"]),
    "bert-tanh": ("BertForSequenceClassification", wordpiece, "f16", None,
                  dict(model_type="bert", **SMALL | dict(num_hidden_layers=3, layer_norm_eps=1e-5), hidden_act="gelu_new", **ONE), ["sharded"]),
    "bert-bare": ("BertModel", wordpiece, "bf16", 48, dict(model_type="bert", **SMALL | dict(num_attention_heads=2), hidden_act="relu"), []),
    "roberta-nli": ("RobertaForSequenceClassification", byte_bpe, "f32", 48,
                    dict(model_type="roberta", **SMALL | dict(max_position_embeddings=66), type_vocab_size=1, layer_norm_eps=1e-5, **NLI), ["leftovers"]),
    "xlm-roberta": ("XLMRobertaForSequenceClassification", lambda: unigram("xlm"), "bf16", None,
                    dict(model_type="xlm-roberta", **SMALL | dict(max_position_embeddings=66), type_vocab_size=1, hidden_act="gelu_fast", **TWO), []),
    "alignscore": ("AlignScore", byte_bpe, "f16", 48,
                   dict(model_type="roberta", **SMALL | dict(max_position_embeddings=66), type_vocab_size=1, layer_norm_eps=1e-5), []),
    "albert-vitc": ("AlbertForSequenceClassification", lambda: unigram("albert"), "f32", 48,
                    dict(model_type="albert", embedding_size=16, **SMALL | dict(num_hidden_layers=3), hidden_act="gelu_new", **NLI), ["leftovers"]),
    "albert-groups": ("AlbertForSequenceClassification", lambda: unigram("albert"), "bf16", 48,
                      dict(model_type="albert", embedding_size=24, **SMALL | dict(num_hidden_layers=2), num_hidden_groups=2, inner_group_num=2,
                           hidden_act="gelu", **TWO), []),
    "deberta-v3": ("DebertaV2ForSequenceClassification", lambda: unigram("deberta"), "f32", None,
                   dict(model_type="deberta-v2", **DEBERTA, position_buckets=8, max_relative_positions=-1, share_att_key=True,
                        pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0, **NLI), ["leftovers"]),
    "deberta-v2-conv": ("DebertaV2ForSequenceClassification", lambda: unigram("deberta"), "f16", 48,
                        dict(model_type="deberta-v2", **DEBERTA | dict(hidden_size=24), attention_head_size=6, position_buckets=8,
                             max_relative_positions=64, share_att_key=True, pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm",
                             position_biased_input=False, type_vocab_size=0, conv_kernel_size=3, conv_act="gelu", pooler_hidden_act="tanh",
                             **TWO), []),
    "deberta-v2-plain": ("DebertaV2ForSequenceClassification", lambda: unigram("deberta"), "bf16", 48,
                         dict(model_type="deberta-v2", **DEBERTA, position_buckets=-1, max_relative_positions=16, share_att_key=False,
                              pos_att_type="c2p|p2c", position_biased_input=True, type_vocab_size=2, embedding_size=16, **NLI), []),
    "deberta-v2-c2p": ("DebertaV2Model", lambda: unigram("deberta"), "bf16", 48,
                       dict(model_type="deberta-v2", **DEBERTA, pos_att_type="c2p", type_vocab_size=0, norm_rel_ebd="none"), []),
    "t5": ("T5ForConditionalGeneration", lambda: unigram("t5"), "bf16", 48, dict(model_type="t5", feed_forward_proj="relu", **T5), []),
    "t5-classifier": ("T5ForTokenClassification", lambda: unigram("t5"), "f16", 48,
                      dict(model_type="t5", feed_forward_proj="gated-gelu", **T5 | dict(num_layers=2), is_encoder_decoder=False, **TWO), []),
    "t5-gated": ("T5EncoderModel", lambda: unigram("t5"), "f32", 48,
                 dict(model_type="t5", feed_forward_proj="gated-gelu", **T5 | dict(num_layers=2), is_encoder_decoder=False), []),
}


class AlignScore(torch.nn.Module):
    """The tensor names of the official checkpoint, and what it computes from them: three linear maps of the pooled first token."""

    def __init__(self, config):
        super().__init__()
        self.base_model = transformers.RobertaModel(config)
        self.bin_layer = torch.nn.Linear(config.hidden_size, 2)
        self.tri_layer = torch.nn.Linear(config.hidden_size, 3)
        self.reg_layer = torch.nn.Linear(config.hidden_size, 1)

    def forward(self, output_hidden_states=False, **inputs):
        out = self.base_model(**inputs, output_hidden_states=output_hidden_states)
        pooled = out.pooler_output
        out["heads"] = {"tri": self.tri_layer(pooled), "bin": self.bin_layer(pooled), "reg": self.reg_layer(pooled)}
        return out


def init_value(name, shape, seed):
    r = torch.randn(shape, generator=gen_for(seed, name), dtype=torch.float32)
    last = name.split(".")[-1]
    if last in ("bias", "beta"): return 0.2 * r
    if re.search(r"(LayerNorm|layer_norm|layernorm|full_layer_layer_norm)\.(weight|gamma)$", name): return 1.0 + 0.3 * r
    if "relative_attention_bias" in name: return 1.5 * r
    if re.search(r"embeddings?\.weight$|shared\.weight$|embed_tokens\.weight$", name): return r
    if ".conv.weight" in name: return r * 1.5 / math.sqrt(shape[1] * shape[2])
    gain = 2.5 if re.search(r"(query|key|query_proj|key_proj|\.q|\.k)\.weight$", name) and "relative" not in name else 1.5
    if re.search(r"SelfAttention\.[qk]\.weight$", name): gain = 1.0     # T5 does not scale its scores
    return r * gain / math.sqrt(shape[-1])


def make_model(kind, config, seed):
    model = AlignScore(config) if kind == "AlignScore" else getattr(transformers, kind)(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(init_value(name, tuple(p.shape), seed))
    if hasattr(model, "tie_weights"): model.tie_weights()
    return model.eval()


DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def save_checkpoint(directory, kind, model, config, dtype, tricks, seed):
    state = {n: p.detach().to(DTYPES[dtype]).contiguous() for n, p in model.named_parameters()}
    prefix = {"BertForSequenceClassification": "bert.", "RobertaForSequenceClassification": "roberta.",
              "AlbertForSequenceClassification": "albert.", "DebertaV2ForSequenceClassification": "deberta."}.get(kind, "")
    if "leftovers" in tricks:        # what older versions saved, and heads of pre-training
        state[prefix + "embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None]
        vocabulary, hidden = config.vocab_size, config.hidden_size
        left = {"bert.": {"cls.predictions.bias": (vocabulary,), "cls.seq_relationship.weight": (2, hidden)},
                "roberta.": {"lm_head.bias": (vocabulary,), "roberta.pooler.dense.weight": (hidden, hidden), "roberta.pooler.dense.bias": (hidden,)},
                "albert.": {"predictions.bias": (vocabulary,), "sop_classifier.classifier.weight": (2, hidden)},
                "deberta.": {"lm_predictions.lm_head.bias": (vocabulary,), "mask_predictions.dense.bias": (hidden,)}}[prefix]
        state |= {n: init_value(n, s, seed).to(DTYPES[dtype]) for n, s in left.items()}
    if "old-names" in tricks:
        state = {re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", n)): v for n, v in state.items()}
    if "sharded" in tricks:
        names = sorted(state)
        halves = [names[::2], names[1::2]]
        files = [f"model-{i + 1:05}-of-00002.safetensors" for i in range(2)]
        for file, part in zip(files, halves):
            save_file({n: state[n] for n in part}, os.path.join(directory, file), {"format": "pt"})
        index = {"metadata": {"total_size": sum(v.numel() * v.element_size() for v in state.values())},
                 "weight_map": {n: file for file, part in zip(files, halves) for n in part}}
        with open(os.path.join(directory, "model.safetensors.index.json"), "w") as f: json.dump(index, f, indent=1)
    else:
        save_file(state, os.path.join(directory, "model.safetensors"), {"format": "pt"})


def load_model(directory, kind, config):
    """As anybody would load it from disk, in f32; nothing may be missing."""
    if kind == "AlignScore":
        model = AlignScore(config)
        model.load_state_dict({n: v.float() for n, v in load_file(os.path.join(directory, "model.safetensors")).items()})
        return model.eval()
    kind = "T5EncoderModel" if kind == "T5ForConditionalGeneration" else kind
    model, report = getattr(transformers, kind).from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"], report
    return model.eval()


# ------------------------------------------------------------------ texts
SENTENCES = [s.strip() for s in re.split(r"(?<=[.?!])\s+", MORE.replace("\n", " ")) if s.strip()]


def pairs_of(roles):
    s = SENTENCES
    return [
        (s[0], s[3]), ("No patient died.", "Nobody died."), (s[1], "37 patients had a stroke in 2019."), ("", "x"), ("a", ""),
        (f"one {roles['pad']} two", "one two"), ("Größe, 你好 – naïve", "L'été est très court."), (s[4], s[5]),
        (" ".join(s), "The drug was approved."), ("The drug was approved.", " ".join(s)), (" ".join(s), " ".join(s[::-1])),
        ("No patient died.", "Nobody died."),
    ]


def run(model, inputs, double):
    with torch.no_grad(), (Float64Mode() if double else nullmode()):
        return model(**inputs, output_hidden_states=True)


def goldens(directory, kind, config):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = load_model(directory, kind, config)
    roles = {"pad": tokenizer.pad_token}
    tensors = {}
    long, short = " ".join(SENTENCES), "The dose was raised."
    limit = min(tokenizer.model_max_length, 64)
    sets = [dict(truncation="longest_first", max_length=None, pairs=pairs_of(roles)),
            dict(truncation="only_first", max_length=40, pairs=[(long, short), (short, short), (long + long, "No.")])]
    heads = ["tri", "bin", "reg"] if kind == "AlignScore" else [None]
    classifies = kind == "AlignScore" or kind.endswith("Classification")
    written = []
    for at, (group, head) in enumerate([(g, h) for g in sets for h in heads] if classifies else []):
        first, second = zip(*group["pairs"])
        inputs = tokenizer(list(first), list(second), truncation=group["truncation"], max_length=group["max_length"] or limit,
                           padding=True, return_tensors="pt")
        for name, double in (("logits", True), ("logits_f32", False)):
            model = model.double() if double else model.float()
            out = run(model, inputs, double)
            logits = out["heads"][head] if head else out.logits
            tensors[f"{name}.{at}"] = (logits[:, 0] if logits.dim() == 3 else logits).contiguous().clone()
        written.append(dict(group, head=head, ids=unpadded(inputs)))
    texts = ["No patient died.", SENTENCES[1], f"one {roles['pad']} two", "", long, "Größe, 你好"]
    inputs = tokenizer(texts, truncation=True, max_length=limit, padding=True, return_tensors="pt")
    states = run(model.double(), inputs, True).hidden_states
    for layer, value in enumerate(states):
        kept = [value[i, :n] for i, n in enumerate(inputs["attention_mask"].sum(1).tolist())]
        tensors[f"states.{layer}"] = torch.cat(kept).contiguous().clone()
    golden = {
        "made_with": {"script": "benchmarks/goldens/gen_judges.py", "transformers": transformers.__version__, "torch": torch.__version__,
                      "tokenizers": tokenizers.__version__},
        "class": kind,
        "labels": [config.id2label[i] for i in range(config.num_labels)] if classifies and kind != "AlignScore" else [],
        "pair_sets": written,
        "texts": texts, "text_ids": unpadded(inputs), "hidden_states": len(states),
    }
    with open(os.path.join(directory, "golden.json"), "w") as f:
        json.dump(golden, f, ensure_ascii=False)
    save_file(tensors, os.path.join(directory, "golden.safetensors"))
    for n in sorted(tensors):
        if n.startswith("logits."): print(f"  {n}: spread {tensors[n].std(0).mean():.3g}, f32 {(tensors[n] - tensors[n.replace('s.', 's_f32.')]).abs().max():.1e}")


def unpadded(inputs):
    return [row[mask.bool()].tolist() for row, mask in zip(inputs["input_ids"], inputs["attention_mask"])]


def buckets(file):
    """Buckets of distances by transformers' own functions."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
    from transformers.models.t5.modeling_t5 import T5Attention
    cases = []
    for size, furthest in ((256, 512), (8, 64), (8, 16), (32, 128), (255, 512)):
        distances = torch.arange(-530, 531)
        values = make_log_bucket_position(distances, size, furthest).long()
        cases.append(dict(kind="deberta", buckets=size, max_distance=furthest, first=-530, values=values.tolist()))
    for size, furthest in ((32, 128), (16, 24), (8, 100), (64, 256)):
        distances = torch.arange(-400, 401)
        values = T5Attention._relative_position_bucket(distances, True, size, furthest)
        cases.append(dict(kind="t5", buckets=size, max_distance=furthest, first=-400, values=values.tolist()))
    with open(file, "w") as f:
        json.dump({"made_with": {"script": "benchmarks/goldens/gen_judges.py", "transformers": transformers.__version__,
                                 "torch": torch.__version__}, "cases": cases}, f, separators=(",", ":"))


def main(out, names):
    buckets(os.path.join(out, "buckets.json"))
    for name in names or SPECS:
        kind, tokenizer, dtype, max_length, fields, tricks = SPECS[name]
        directory = os.path.join(out, name)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        t, roles = tokenizer()
        save_tokenizer(directory, t, roles, max_length)
        fields = dict(fields, vocab_size=t.get_vocab_size() + 3, pad_token_id=t.token_to_id(roles["pad"]))
        model_type = fields["model_type"]
        config = AutoConfig.for_model(model_type, **{k: v for k, v in fields.items() if k != "model_type"})
        written = {"architectures": [kind], **fields}
        with open(os.path.join(directory, "config.json"), "w") as f: json.dump(written, f, indent=1)
        config = AutoConfig.from_pretrained(directory)
        seed = f"judges/{name}"
        save_checkpoint(directory, kind, make_model(kind, config, seed), config, dtype, tricks, seed)
        print(name)
        goldens(directory, kind, config)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
