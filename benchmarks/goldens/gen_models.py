#!/usr/bin/env python3
"""Generate tiny random MoE checkpoints in hub layout and their goldens.

Usage: gen_models.py OUT_DIR [name ...]

For every spec: (1) draw weights, (2) save the checkpoint in hub key layout,
(3) reload it from disk with from_pretrained and check it is complete,
(4) write forward / routing / logprob / generation goldens, (5) saliency goldens,
(6) pruned-checkpoint goldens.  The layout is that of crates/goldens/fixtures.
"""
import hashlib, itertools, json, math, os, re, shutil, sys
import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from safetensors.torch import load_file, save_file
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, Mxfp4Config, logging as hf_logging
from transformers.utils import logging as hf_ulog
import gen_tokenizer

hf_logging.set_verbosity_error()
hf_ulog.disable_progress_bar()
torch.set_num_threads(1)
EAGER = dict(attn_implementation="eager", experts_implementation="eager")


# --------------------------------------------------------------------------- helpers
def gen_for(*key):
    h = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(h[:7], "little"))


class Float64Mode(TorchFunctionMode):
    """Promote every explicit float32 cast inside the HF code to float64.

    HF upcasts RMSNorm, softmax, router scores and rope angles to float32 by name;
    with a model in float64 that would *down*-cast.  This mode rewrites
    torch.float32 arguments to torch.float64 and Tensor.float() to Tensor.double().
    """
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(torch.float64 if a is torch.float32 else a for a in args)
        kwargs = {k: torch.float64 if v is torch.float32 else v for k, v in kwargs.items()}
        return func(*args, **kwargs)


class nullmode:
    def __enter__(self): return self
    def __exit__(self, *a): return False


def init_weights(model, seed):
    """Wide, seeded initialisation: activations O(1), logits and router logits well spread."""
    cfg = model.config
    tied = bool(getattr(cfg, "tie_word_embeddings", False))
    h = cfg.hidden_size
    with torch.no_grad():
        tensors = dict(model.named_parameters())
        tensors.update({n: b for n, b in model.named_buffers() if "e_score_correction_bias" in n})
        for n, p in tensors.items():
            g = gen_for(seed, n)
            r = torch.randn(p.shape, generator=g, dtype=torch.float32)
            if n.endswith("embed_tokens.weight"):
                v = r * ((1.0 if cfg.model_type == "granitemoe" else 3.0) / math.sqrt(h) if tied else 1.0)
            elif n.endswith("lm_head.weight"):
                v = r * 3.0 / math.sqrt(h)
            elif n.endswith("e_score_correction_bias"):
                v = r * 0.15
            elif re.search(r"(router|mlp\.gate|gate\.wg|block_sparse_moe\.gate|feed_forward\.router)(\.layer)?\.weight$", n):
                v = r * 2.5 / math.sqrt(h)
            elif "shared_expert_gate" in n:
                v = r / math.sqrt(h)
            elif n.endswith("sinks"):
                v = r * 1.0
            elif n.endswith("A_log"):
                v = r.abs() * 0.5
            elif n.endswith("dt_bias"):
                v = r * 0.5
            elif p.dim() == 1 and "norm" in n and n.endswith("weight"):
                v = 1.0 + 0.2 * r
                if "Qwen3Next" in type(model).__name__ and "linear_attn.norm" not in n:
                    v = 0.2 * r            # that model uses (1 + w)
            elif p.dim() == 1 or n.endswith("bias"):
                v = 0.2 * r
            elif p.dim() == 3 and "conv1d" in n:
                v = r * 0.5
            elif p.dim() == 3:             # fused experts
                transposed = type(model).__name__.startswith(("GptOss", "Llama4"))
                fan_in = p.shape[1] if transposed else p.shape[2]
                gain = 1.6 if "gate_up" in n else 1.2
                v = r * gain / math.sqrt(fan_in)
                if type(model).__name__.startswith("GptOss") and "gate_up" in n:
                    v = v * 1.5            # reach the swiglu clamp
                if "down" in n:            # experts of clearly different strength
                    s = torch.exp(0.5 * torch.randn(p.shape[0], generator=g))
                    v = v * s[:, None, None]
            else:
                gain = 1.6 if re.search(r"(gate_proj|up_proj|q_proj|k_proj|q_b_proj)\.weight$", n) else 1.0
                v = r * gain / math.sqrt(p.shape[-1])
            p.copy_(v.to(p.dtype))
        model.tie_weights()


def write_config(path, cfg):
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(cfg, f, indent=2)
        f.write("\n")


def save_sharded(state, path, n):
    """model.safetensors, or model-0000i-of-0000n.safetensors + index."""
    for f in os.listdir(path):
        if f.endswith(".safetensors") or f.endswith(".index.json"):
            os.remove(os.path.join(path, f))
    meta = {"format": "pt"}
    if n == 1:
        save_file(state, os.path.join(path, "model.safetensors"), metadata=meta)
        return
    keys, total = sorted(state), sum(t.numel() * t.element_size() for t in state.values())
    shards, cur, size = [[]], 0, total / n
    for k in keys:                       # greedy fill in key order; splits layers on purpose
        b = state[k].numel() * state[k].element_size()
        if cur + b > size and len(shards) < n and shards[-1]:
            shards.append([]); cur = 0
        shards[-1].append(k); cur += b
    wm = {}
    for i, ks in enumerate(shards):
        fn = f"model-{i+1:05d}-of-{len(shards):05d}.safetensors"
        save_file({k: state[k] for k in ks}, os.path.join(path, fn), metadata=meta)
        wm.update({k: fn for k in ks})
    with open(os.path.join(path, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": total}, "weight_map": dict(sorted(wm.items()))}, f, indent=2)


def read_state(path):
    out = {}
    for fn in sorted(os.listdir(path)):
        if fn.endswith(".safetensors"):
            out.update(load_file(os.path.join(path, fn)))
    return out


FP4 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def quantize_mxfp4(state):
    """Replace fused bf16 expert weights by the hub's MXFP4 layout.

    gate_up_proj [E, in, out] -> gate_up_proj_blocks uint8 [E, out, in/32, 16], gate_up_proj_scales uint8 [E, out, in/32].
    Two E2M1 codes per byte, the even element in the low nibble; code = sign<<3 | index into (0,.5,1,1.5,2,3,4,6);
    value = code_value * 2^(scale - 127).
    """
    out = {}
    for k, v in state.items():
        if not re.search(r"mlp\.experts\.(gate_up_proj|down_proj)$", k):
            out[k] = v; continue
        w = v.float().transpose(1, 2).contiguous()                     # [E, out, in]
        E, O, I = w.shape
        b = w.view(E, O, I // 32, 32)
        e = torch.floor(torch.log2(b.abs().amax(-1).clamp(min=2.0 ** -60))) - 2    # 6 = 1.5 * 2^2
        q = b / torch.exp2(e)[..., None]
        code = (q.abs()[..., None] - FP4).abs().argmin(-1) | ((q < 0).long() << 3)
        out[k + "_blocks"] = (code[..., 0::2] | (code[..., 1::2] << 4)).to(torch.uint8).contiguous()
        out[k + "_scales"] = (e + 127).to(torch.uint8).contiguous()
    return out


HUB_KEYS = {  # model_type -> regexes that must occur / must not occur in the checkpoint
    "mixtral": (r"block_sparse_moe\.experts\.\d+\.w[123]\.weight$", r"gate_up_proj"),
    "phimoe": (r"block_sparse_moe\.experts\.\d+\.w[123]\.weight$", r"gate_up_proj"),
    "minimax_m2": (r"block_sparse_moe\.experts\.\d+\.w[123]\.weight$", r"gate_up_proj"),
    "gpt_oss": (r"mlp\.experts\.gate_up_proj$", r"experts\.\d+\."),
    "llama4_text": (r"feed_forward\.experts\.gate_up_proj$", r"experts\.\d+\."),
    "granitemoe": (r"block_sparse_moe\.input_linear\.weight$", r"experts\."),
}
DEFAULT_KEYS = (r"mlp\.experts\.\d+\.(gate|up|down)_proj\.weight$", r"gate_up_proj")


def make_checkpoint(ck, name, opt, cfg):
    os.makedirs(ck, exist_ok=True)
    write_config(ck, cfg)
    config = AutoConfig.from_pretrained(ck)
    config.dtype = torch.float32
    model = AutoModelForCausalLM.from_config(config, **EAGER).float().eval()
    init_weights(model, opt["seed"])
    if opt["dtype"] == "bfloat16":
        model = model.to(torch.bfloat16)
    model.save_pretrained(ck)
    state = read_state(ck)
    want, bad = HUB_KEYS.get(cfg["model_type"], DEFAULT_KEYS)
    assert any(re.search(want, k) for k in state), (name, "missing hub expert keys", list(state)[:30])
    assert not any(re.search(bad, k) for k in state), (name, "non-hub keys", [k for k in state if re.search(bad, k)])
    if opt["dtype"] == "bfloat16":   # hub checkpoints keep the router bias in float32
        for k in state:
            if k.endswith("e_score_correction_bias"):
                state[k] = state[k].float()
    if opt.get("mtp"):               # DeepSeek-V3 style extra layer that a causal-LM loader must skip
        n, h, V = cfg["num_hidden_layers"], cfg["hidden_size"], cfg["vocab_size"]
        tpl = {k: v for k, v in state.items() if k.startswith(f"model.layers.{n-1}.")}
        for k, v in tpl.items():
            k2 = k.replace(f"layers.{n-1}.", f"layers.{n}.")
            state[k2] = torch.randn(v.shape, generator=gen_for(opt["seed"], "mtp", k)).to(v.dtype)
        for k, shp in (("embed_tokens.weight", (V, h)), ("enorm.weight", (h,)), ("hnorm.weight", (h,)), ("eh_proj.weight", (h, 2 * h)),
                       ("shared_head.norm.weight", (h,)), ("shared_head.head.weight", (V, h))):
            state[f"model.layers.{n}.{k}"] = torch.randn(shp, generator=gen_for(opt["seed"], "mtp", k))
    if opt.get("mxfp4"):
        state = quantize_mxfp4(state)
        cfg = dict(cfg, quantization_config=dict(
            modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
            quant_method="mxfp4"))
    save_sharded(state, ck, opt["shards"])
    if opt["fmt"] == "hub":
        write_config(ck, cfg)
    with open(os.path.join(ck, "generation_config.json"), "w") as f:
        json.dump({k: cfg[k] for k in ("bos_token_id", "eos_token_id", "pad_token_id") if k in cfg}, f, indent=1)
    gen_tokenizer.save_into(opt["tok"], ck)


def forget_longest(model):
    """Dynamic rotary embeddings remember the longest sequence they have seen and stretch shorter ones alike; here every
    sequence starts from the configuration, so that values do not depend on what ran before."""
    rotary = getattr(getattr(model, "model", None), "rotary_emb", None)
    if getattr(rotary, "rope_type", None) != "dynamic":
        return

    def start_anew(module, args, kwargs):
        positions = kwargs["position_ids"] if "position_ids" in kwargs else args[1]
        if int(positions.min()) == 0:
            module.max_seq_len_cached = module.original_max_seq_len
            module.register_buffer("inv_freq", module.original_inv_freq, persistent=False)

    rotary.register_forward_pre_hook(start_anew, with_kwargs=True)


def load(ck, dtype):
    """Reload from disk; every parameter and buffer is then cast to dtype (HF keeps a few modules in f32)."""
    with open(os.path.join(ck, "config.json")) as f:
        c = json.load(f)
    kw = dict(EAGER)
    if "quantization_config" in c:           # mxfp4: HF unpacks to bf16, then we upcast (exact)
        kw["quantization_config"] = Mxfp4Config(dequantize=True)
        kw["dtype"] = torch.bfloat16
    else:
        kw["dtype"] = dtype
    model, info = AutoModelForCausalLM.from_pretrained(ck, output_loading_info=True, **kw)
    extra = [k for k in info["unexpected_keys"] if int(re.search(r"layers\.(\d+)", k).group(1)) < c["num_hidden_layers"]]
    assert not info["missing_keys"] and not extra, {k: v for k, v in info.items() if v}
    if dtype != torch.bfloat16:
        bufs = {n: b for n, b in model.named_buffers() if "inv_freq" in n}
        model = model.to(dtype)
        if dtype == torch.float32:
            for n, b in bufs.items():
                assert b.dtype == torch.float32
    model.eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    forget_longest(model)
    return model


# --------------------------------------------------------------------------- capture
class Capture:
    """Record, per decoder layer with experts: router logits, combine weights, indices,
    the experts' input, the routed output and the residual stream before the MoE."""
    def __init__(self, model):
        self.model, self.rec, self.handles = model, {}, []
        self.layers = {}
        for i, layer in enumerate(model.model.layers):
            ex = [m for m in layer.modules() if type(m).__name__.endswith("Experts")]
            ro = [m for m in layer.modules() if re.search(r"(Router|V1Gate)$", type(m).__name__)]
            if not ex:
                continue
            self.layers[i] = (ex[0], ro[0], layer)
            self.rec[i] = {}
            self.handles += [
                ro[0].register_forward_hook(lambda m, a, o, i=i: self._router(i, o)),
                ex[0].register_forward_hook(lambda m, a, k, o, i=i: self._experts(i, a, k, o), with_kwargs=True)]
            pal = getattr(layer, "post_attention_layernorm", None)
            if pal is not None:
                self.handles.append(pal.register_forward_pre_hook(lambda m, a, i=i: self._resid(i, a)))

    def _router(self, i, o):
        if len(o) == 2:                       # Llama4: (scores [T,E], logits [T,E])
            scores, logits = o
            w, idx = torch.topk(scores, self.model.config.num_experts_per_tok, dim=-1)
            self.rec[i].update(logits=logits.detach(), weights=w.detach(), indices=idx.detach())
        else:
            self.rec[i].update(logits=o[0].detach(), weights=o[1].detach(), indices=o[2].detach())

    def _experts(self, i, a, k, o):
        self.rec[i].update(x=a[0].detach().reshape(-1, a[0].shape[-1]), out=o.detach())

    def _resid(self, i, a):
        self.rec[i]["resid"] = a[0].detach().reshape(-1, a[0].shape[-1])

    def close(self):
        for h in self.handles:
            h.remove()


def sort_by_weight(idx, w):
    """Order the k selected experts by (weight desc, index asc): torch.topk(sorted=False) order is arbitrary."""
    order = np.lexsort((idx.numpy(), -w.double().numpy()), axis=-1)
    o = torch.from_numpy(order)
    return idx.gather(1, o), w.gather(1, o)


class RetrySeed(Exception):
    """Some decision of this fixture is too close to a tie; the next seed is tried."""


def selection_margin(cfg, logits, bias, k):
    """Smallest distance of the expert selection from a tie, in the units of the selection score."""
    l, mt = logits.double(), cfg["model_type"]
    out = []
    def gap(s, kk):
        if kk < s.shape[-1]:
            v = s.sort(-1, descending=True)[0]
            out.append(float((v[..., kk - 1] - v[..., kk]).min()))
    if mt in ("deepseek_v3", "glm4_moe", "dots1", "minimax_m2", "ernie4_5_moe"):
        s = (torch.softmax(l, -1) if mt == "ernie4_5_moe" else torch.sigmoid(l)) + bias.double().reshape(-1)
    else:
        s = l
    G = cfg.get("n_group") or 1
    if G > 1 and not (mt == "deepseek_v2" and cfg["topk_method"] == "greedy"):
        gs = s.view(s.shape[0], G, -1)
        sc = gs.max(-1)[0] if mt == "deepseek_v2" else gs.topk(2, -1)[0].sum(-1)
        gap(sc, cfg["topk_group"])
        keep = torch.zeros_like(sc).scatter_(1, sc.topk(cfg["topk_group"], -1)[1], 1.0).bool()
        s = s.masked_fill(~keep[..., None].expand_as(gs).reshape(s.shape), -1e9)
    gap(s, k)
    if mt == "phimoe":                    # the two sparsemixer thresholds as well
        eps2 = 2 * cfg["router_jitter_noise"]
        m, i = l.max(-1, keepdim=True)
        r = (m - l) / torch.maximum(l.abs(), m)
        out.append(float((r - eps2).abs().min()))
        l2 = l.scatter(1, i, -math.inf)
        m2 = l2.max(-1, keepdim=True)[0]
        r2 = ((m2 - l) / torch.maximum(l.abs(), m2)).scatter(1, i, 9.0)
        out.append(float((r2 - eps2).abs().min()))
    return min(out) if out else math.inf


def router_bias(romod, layer):
    for n, b in list(layer.named_buffers()) + list(layer.named_parameters()):
        if n.endswith("e_score_correction_bias"):
            return b.detach()
    return None


def forward(model, ids, f64):
    with torch.no_grad(), (Float64Mode() if f64 else nullmode()):
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


# --------------------------------------------------------------------------- goldens
LENGTHS = (1, 12, 23, 32, 80)
F64_PROMPTS = (1,)
MIN_ROUTER_MARGIN, MIN_GREEDY_MARGIN, MIN_SALIENCY_GAP = 1e-4, 1e-3, 1e-5


def make_prompts(seed, ck, vocab):
    g = np.random.default_rng(seed)
    prompts = [g.integers(4, vocab, size=n).tolist() for n in LENGTHS]
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(os.path.join(ck, "tokenizer.json"))
    text = "The router chooses which expert should answer each token.\nQuestion: What is 12 + 30? Answer:"
    prompts.append(tok.encode(text).ids)
    return prompts, text


def forward_goldens(out, ck, opt, cfg):
    m32, m64 = load(ck, torch.float32), load(ck, torch.float64)
    prompts, text = make_prompts(opt["seed"], ck, cfg["vocab_size"])
    T, meta = {}, dict(prompts=prompts, text_of_last_prompt=text, moe_layers=[], min_router_margin=None)
    c32, c64 = Capture(m32), Capture(m64)
    meta["moe_layers"] = sorted(c32.rec)
    margins, diffs, mismatch = [], [], 0
    for i, ids in enumerate(prompts):
        l32, l64 = forward(m32, ids, False), forward(m64, ids, True)
        T[f"prompt{i}.input_ids"] = torch.tensor(ids)
        T[f"prompt{i}.logits"] = l32.float()
        if i in F64_PROMPTS:
            T[f"prompt{i}.logits_f64"] = l64.double()
        diffs.append((l32.double() - l64).abs().max().item())
        for L in c32.rec:
            r, r64 = c32.rec[L], c64.rec[L]
            idx, w = sort_by_weight(r["indices"], r["weights"])
            idx64, w64 = sort_by_weight(r64["indices"], r64["weights"])
            mismatch += int((idx.sort(-1)[0] != idx64.sort(-1)[0]).any(-1).sum())
            T[f"prompt{i}.layer{L}.router_logits"] = r["logits"].float()
            T[f"prompt{i}.layer{L}.topk_indices"] = idx.to(torch.int64)
            T[f"prompt{i}.layer{L}.topk_weights"] = w.float()
            if i in F64_PROMPTS:
                T[f"prompt{i}.layer{L}.router_logits_f64"] = r64["logits"].double()
                T[f"prompt{i}.layer{L}.topk_weights_f64"] = w64.double()
            if i == 1:
                T[f"prompt{i}.layer{L}.experts_input"] = r["x"].float()
                if cfg["model_type"] != "llama4_text":
                    T[f"prompt{i}.layer{L}.experts_output"] = r["out"].reshape(len(ids), -1).float()
            margins.append(selection_margin(cfg, r64["logits"], router_bias(c64.layers[L][1], c64.layers[L][2]), idx.shape[1]))
    meta.update(min_router_margin=min(margins), routing_f32_f64_mismatched_tokens=mismatch,
                max_abs_diff_f32_f64_per_prompt=diffs, logits_std=float(T["prompt4.logits"].std()))
    if mismatch or min(margins) < MIN_ROUTER_MARGIN:
        raise RetrySeed(f"router margin {min(margins):.1e}")
    c32.close(); c64.close()
    # bf16 run, informative only
    if opt["dtype"] == "bfloat16":
        mb = load(ck, torch.bfloat16)
        for i in (1, 4):
            T[f"prompt{i}.logits_bf16_run"] = forward(mb, prompts[i], False).float()
    # hidden states after each decoder layer (before the final norm), prompt1
    hs = []
    hh = [l.register_forward_hook(lambda m, a, o: hs.append((o[0] if isinstance(o, tuple) else o).detach()[0])) for l in m32.model.layers]
    forward(m32, prompts[1], False)
    for h in hh:
        h.remove()
    for L, h in enumerate(hs):
        T[f"prompt1.layer{L}.hidden_out"] = h.float()
    # multiple-choice: 3 contexts x 4 continuations
    g = np.random.default_rng(opt["seed"] + 7)
    mc = []
    for ci in range(3):
        ctx = g.integers(4, cfg["vocab_size"], size=int(g.integers(5, 30))).tolist()
        conts = [g.integers(4, cfg["vocab_size"], size=int(g.integers(1, 7))).tolist() for _ in range(3)]
        with torch.no_grad():   # a fourth choice that is the greedy continuation
            gr = m32.generate(torch.tensor([ctx]), attention_mask=torch.ones(1, len(ctx), dtype=torch.long),
                              max_new_tokens=4, do_sample=False)[0, len(ctx):].tolist()
        conts.append(gr)
        row = dict(context=ctx, choices=[])
        for c in conts:
            full = ctx + c
            l32, l64 = forward(m32, full[:-1], False), forward(m64, full[:-1], True)
            lp32 = torch.log_softmax(l32.float(), -1)[len(ctx) - 1:]
            lp64 = torch.log_softmax(l64.double(), -1)[len(ctx) - 1:]
            ct = torch.tensor(c)
            t32, t64 = lp32.gather(1, ct[:, None])[:, 0], lp64.gather(1, ct[:, None])[:, 0]
            row["choices"].append(dict(tokens=c, sum_logprob=float(t32.sum()), sum_logprob_f64=float(t64.sum()),
                                       token_logprobs_f64=t64.tolist(), is_greedy=bool((lp32.argmax(-1) == ct).all())))
        row["argmax"] = int(np.argmax([c["sum_logprob_f64"] for c in row["choices"]]))
        row["argmax_per_token"] = int(np.argmax([c["sum_logprob_f64"] / len(c["tokens"]) for c in row["choices"]]))
        mc.append(row)
    meta["multiple_choice"] = mc
    # full-sequence negative log likelihood (perplexity) on prompt 4
    # (fed as harnesses feed it, without the last token: a dynamic rotary embedding sees the length)
    lp = torch.log_softmax(forward(m64, prompts[4][:-1], True).double(), -1)
    tgt = torch.tensor(prompts[4][1:])
    meta["nll_prompt4_f64"] = float(-lp.gather(1, tgt[:, None]).sum())
    meta["perplexity_prompt4_f64"] = math.exp(meta["nll_prompt4_f64"] / len(tgt))
    # greedy generation, 32 tokens, EOS disabled
    gen = []
    for i in (1, 2, 4, 5):
        ids = torch.tensor([prompts[i]])
        with torch.no_grad():
            o = m32.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False,
                             output_scores=True, return_dict_in_generate=True)
        new = o.sequences[0, ids.shape[1]:].tolist()
        top2 = torch.stack([s[0].float().topk(2).values for s in o.scores])
        gen.append(dict(prompt=i, new_tokens=new, min_top1_top2_margin=float((top2[:, 0] - top2[:, 1]).min())))
        # teacher-forced check: cache and no-cache agree
        fl = forward(m32, prompts[i] + new[:-1], False)[len(prompts[i]) - 1:]
        gen[-1]["agrees_with_full_forward"] = bool((fl.argmax(-1) == torch.tensor(new)).all())
    meta["greedy"] = gen
    # Dynamic rotary embeddings leave cached keys at the frequencies of the length they were written at: no agreement to ask for.
    dynamic = (cfg.get("rope_scaling") or {}).get("rope_type") == "dynamic"
    agree = dynamic or all(g_["agrees_with_full_forward"] for g_ in gen)
    if min(g_["min_top1_top2_margin"] for g_ in gen) < MIN_GREEDY_MARGIN or not agree:
        raise RetrySeed("greedy margin")
    # right-padded batch equals the unpadded runs on real positions
    b = [prompts[1], prompts[2], prompts[3]]
    n = max(map(len, b))
    ids = torch.tensor([p + [0] * (n - len(p)) for p in b]); am = torch.tensor([[1] * len(p) + [0] * (n - len(p)) for p in b])
    with torch.no_grad():
        lb = m32(input_ids=ids, attention_mask=am, use_cache=False).logits
    meta["right_padded_batch_max_abs_diff"] = max(float((lb[j, :len(p)] - T[f"prompt{k}.logits"]).abs().max())
                                                  for j, (p, k) in enumerate(zip(b, (1, 2, 3))))
    # rope constants, to localise rope bugs
    re_ = getattr(m32.model, "rotary_emb", None)
    if re_ is not None and hasattr(re_, "inv_freq"):
        T["rope.inv_freq"] = re_.inv_freq.float().contiguous()
        meta["rope_attention_scaling"] = float(getattr(re_, "attention_scaling", 1.0))
    att = [m for m in m32.modules() if hasattr(m, "scaling") and type(m).__name__.endswith("Attention")]
    if att:
        meta["attention_softmax_scale"] = float(att[0].scaling)
    save_file({k: v.contiguous() for k, v in T.items()}, os.path.join(out, "golden.safetensors"))
    with open(os.path.join(out, "golden.json"), "w") as f:
        json.dump(meta, f, indent=1)
    return m64, meta


# --------------------------------------------------------------------------- saliency
CALIB_LENGTHS = (40, 64, 25, 56, 33, 72)
SOFTMAX_TOPK = {"olmoe", "qwen3_moe", "qwen2_moe", "mixtral", "deepseek_v2", "flex_olmo", "hunyuan_v1_moe", "qwen3_next", "granitemoe", "gpt_oss", "phimoe"}
NAEE_KIND = {"olmoe": "softmax_topk", "qwen3_moe": "softmax_topk", "qwen2_moe": "softmax_topk", "mixtral": "softmax_topk",
             "gpt_oss": "topk_softmax", "granitemoe": "topk_softmax", "deepseek_v2": "softmax_topk"}


def expert_out(module, e, x):
    """Unweighted output of expert e for all rows of x, through HF's own experts module."""
    idx = torch.full((x.shape[0], 1), e, dtype=torch.long)
    return module(x, idx, torch.ones(x.shape[0], 1, dtype=x.dtype))


def rank_prune(score, n):
    """Ascending, ties broken by the lower index; returns (kept ascending, pruned, tie at boundary)."""
    order = np.argsort(score, kind="stable")
    tie = bool(n and n < len(score) and score[order[n - 1]] == score[order[n]])
    return sorted(order[n:].tolist()), sorted(order[:n].tolist()), tie


def saliency_goldens(out, m64, opt, cfg):
    mt, rng = cfg["model_type"], np.random.default_rng(opt["seed"] + 99)
    calib = [rng.integers(4, cfg["vocab_size"], size=n).tolist() for n in CALIB_LENGTHS]
    cap = Capture(m64)
    per_seq = []
    with torch.no_grad():
        for ids in calib:
            forward(m64, ids, True)
            per_seq.append({L: dict(cap.rec[L]) for L in cap.rec})
    cap.close()
    T = {f"calib{i}.input_ids": torch.tensor(c) for i, c in enumerate(calib)}
    info = dict(calibration_lengths=list(CALIB_LENGTHS), layers={}, naee={})
    res_mult = float(cfg.get("residual_multiplier", 1.0))
    norm_flag = bool(cfg.get("norm_topk_prob", False))
    info["ref_default_variant"] = "ref_renorm" if norm_flag else "ref"
    info["primary_variant"] = info["ref_default_variant"] if mt in SOFTMAX_TOPK else "model"
    scores_primary = {}
    for L, (exmod, romod, layer) in cap.layers.items():
        cat = {k: torch.cat([s[L][k] for s in per_seq]) for k in ("x", "logits", "weights", "indices", "out")}
        mg = selection_margin(cfg, cat["logits"], router_bias(romod, layer), cat["indices"].shape[1])
        info["min_router_margin"] = min(mg, info.get("min_router_margin", math.inf))
        if mg < MIN_ROUTER_MARGIN:
            raise RetrySeed(f"calibration router margin {mg:.1e}")
        Tn, E = cat["logits"].shape
        k = cat["indices"].shape[1]
        with torch.no_grad(), Float64Mode():
            fe = torch.stack([expert_out(exmod, e, cat["x"]) for e in range(E)])      # [E, T, h]
        norm = fe.norm(dim=-1).T                                                      # [T, E]
        # sanity: routed output == sum_k w_k f_k(x)
        rebuilt = torch.einsum("tk,tkh->th", cat["weights"].double(), fe.permute(1, 0, 2)[torch.arange(Tn)[:, None], cat["indices"]])
        assert (rebuilt - cat["out"].reshape(Tn, -1)).abs().max() < 1e-9, (out, L)
        p = torch.softmax(cat["logits"].double(), -1)
        topk_l = cat["logits"].double().topk(k, -1).indices
        sel_ref = torch.zeros(Tn, E, dtype=torch.bool).scatter_(1, topk_l, True)
        sel_mod = torch.zeros(Tn, E, dtype=torch.bool).scatter_(1, cat["indices"], True)
        w_mod = torch.zeros(Tn, E, dtype=torch.float64).scatter_(1, cat["indices"], cat["weights"].double())
        p_ren = (p / p.gather(1, topk_l).sum(-1, keepdim=True)).clamp(min=float(np.finfo(np.float32).eps))
        for var, sel, w in (("ref", sel_ref, p), ("ref_renorm", sel_ref, p_ren), ("model", sel_mod, w_mod)):
            s = sel.double()
            cnt = s.sum(0)
            d = cnt.clamp(min=1)
            vals = dict(expert_frequency=sel.sum(0), weighted_expert_frequency_sum=(w * s).sum(0), ean_sum=(norm * s).sum(0),
                        ean_mean=(norm * s).sum(0) / d, weighted_ean_sum=(norm * w * s).sum(0), reap=(norm * w * s).sum(0) / d,
                        max_activations=torch.where(sel.T[..., None], fe, torch.full_like(fe, -np.inf)).amax((1, 2)).clamp(min=0))
            for n, v in vals.items():
                T[f"layer{L}.{var}.{n}"] = v
            scores_primary.setdefault(var, {})[L] = vals
        T[f"layer{L}.seer.hard_count"] = sel_mod.sum(0)
        T[f"layer{L}.seer.soft_count_all_tokens"] = p.sum(0)            # sum over all tokens of softmax(logits)
        T[f"layer{L}.seer.soft_count_selected"] = (p * sel_mod.double()).sum(0)
        # EASY-EP: sum_t relu(1 - cos(h, h + routed)) * gate * ||f_e||
        if "resid" in per_seq[0][L] and mt != "flex_olmo":
            h = torch.cat([s[L]["resid"] for s in per_seq]).double()
            a = h + res_mult * cat["out"].reshape(Tn, -1).double()
            sim = (h * a).sum(-1) / (h.norm(dim=-1) * a.norm(dim=-1))
            contrib = (1.0 - sim).clamp(min=0.0)
            T[f"layer{L}.easyep.token_contribution"] = contrib
            T[f"layer{L}.easyep.score"] = (contrib[:, None] * w_mod * norm).sum(0)
            T[f"layer{L}.easyep.output_aware_only"] = (w_mod * norm).sum(0)
        # weight magnitude, over the expert's own matrices (and biases for gpt-oss, kept separate)
        prm = dict(exmod.named_parameters())
        gu, dn = prm["gate_up_proj"].detach().double(), prm["down_proj"].detach().double()
        T[f"layer{L}.weight_magnitude.l1"] = gu.abs().flatten(1).sum(1) + dn.abs().flatten(1).sum(1)
        T[f"layer{L}.weight_magnitude.l2"] = (gu.pow(2).flatten(1).sum(1) + dn.pow(2).flatten(1).sum(1)).sqrt()
        T[f"layer{L}.weight_magnitude.down_l2"] = dn.flatten(1).norm(dim=1)
        T[f"layer{L}.weight_magnitude.gate_up_l2"] = gu.flatten(1).norm(dim=1)
        # per expert mean output over routed tokens and over all tokens (characteristic activation)
        sm = sel_mod.double()
        T[f"layer{L}.mean_output_routed"] = torch.einsum("te,eth->eh", sm, fe) / sm.sum(0).clamp(min=1)[:, None]
        # NAEE: reconstruction loss when a subset is dropped and the remaining experts are re-routed
        kind = NAEE_KIND.get(mt)
        if kind and not (mt == "deepseek_v2" and cfg["topk_method"] != "greedy"):
            sc = float(cfg.get("routed_scaling_factor", 1.0)) if mt == "deepseek_v2" else 1.0
            ren = mt == "mixtral" or (norm_flag and mt != "deepseek_v2")
            for nd in opt["naee"]:
                combos = list(itertools.combinations(range(E), nd))
                if len(combos) > 100:
                    pick = np.random.default_rng(opt["seed"] + 1000 * nd + L).choice(len(combos), 64, replace=False)
                    combos = [combos[j] for j in sorted(pick)]
                bounds = np.cumsum([0] + list(CALIB_LENGTHS))
                losses = []
                for drop in combos:
                    lg = cat["logits"].double().clone(); lg[:, list(drop)] = -math.inf
                    if kind == "softmax_topk":
                        w, ix = torch.softmax(lg, -1).topk(min(k, E - nd), -1)
                        if ren: w = w / w.sum(-1, keepdim=True)
                        w = w * sc
                    else:
                        v, ix = lg.topk(min(k, E - nd), -1); w = torch.softmax(v, -1)
                    z = torch.einsum("tk,tkh->th", w, fe.permute(1, 0, 2)[torch.arange(Tn)[:, None], ix])
                    dz = cat["out"].reshape(Tn, -1).double() - z
                    losses.append(sum(float(dz[a_:b_].norm()) for a_, b_ in zip(bounds[:-1], bounds[1:])))
                T[f"layer{L}.naee.drop{nd}.subsets"] = torch.tensor(combos)
                T[f"layer{L}.naee.drop{nd}.loss"] = torch.tensor(losses, dtype=torch.float64)
                info["naee"].setdefault(f"drop{nd}", {})[str(L)] = dict(exhaustive=len(losses) == math.comb(E, nd),
                                                                     best_subset=list(combos[int(np.argmin(losses))]), best_loss=min(losses))
    save_file({k_: v.contiguous() for k_, v in T.items()}, os.path.join(out, "saliency.safetensors"))
    # uniform selection per layer by each score
    prim, sel = info["primary_variant"], {}
    for method, key in (("reap", "reap"), ("frequency", "expert_frequency"), ("ean_sum", "ean_sum"), ("ean_mean", "ean_mean"),
                        ("weighted_ean_sum", "weighted_ean_sum"), ("gate_weighted_frequency", "weighted_expert_frequency_sum")):
        for ratio in (0.25, 0.5):
            d = {}
            for L, v in scores_primary[prim].items():
                s_ = v[key].double().numpy()
                kept, pruned, tie = rank_prune(s_, int(len(s_) * ratio))
                d[str(L)] = dict(kept=kept, pruned=pruned, boundary_tie=tie)
            sel[f"{method}@{ratio}"] = d
    for method, key in (("easyep", "easyep.score"), ("weight_l2", "weight_magnitude.l2")):
        for ratio in (0.25, 0.5):
            d = {}
            for L in scores_primary[prim]:
                if f"layer{L}.{key}" in T:
                    s_ = T[f"layer{L}.{key}"].numpy()
                    kept, pruned, tie = rank_prune(s_, int(len(s_) * ratio))
                    d[str(L)] = dict(kept=kept, pruned=pruned, boundary_tie=tie)
            if d: sel[f"{method}@{ratio}"] = d
    info["selection_uniform_per_layer"] = sel
    info.pop("layers")
    with open(os.path.join(out, "saliency.json"), "w") as f:
        json.dump(info, f, indent=1)
    return sel


# --------------------------------------------------------------------------- pruned checkpoints
NUM_EXPERT_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def prune_state(state, kept, n_layers):
    """Slice a hub-layout state dict. kept: {layer: ascending list of experts}."""
    out = {}
    for k, v in state.items():
        m = re.match(r"model\.layers\.(\d+)\.", k)
        L = int(m.group(1)) if m else None
        if L is not None and L >= n_layers:      # multi-token-prediction extras are dropped
            continue
        if L not in kept:
            out[k] = v; continue
        ks = kept[L]
        e = re.search(r"\.experts\.(\d+)\.", k)
        if e:
            i = int(e.group(1))
            if i in ks:
                out[k.replace(f".experts.{i}.", f".experts.{ks.index(i)}.")] = v
        elif re.search(r"moe_statics\.e_score_correction_bias$", k):
            out[k] = v[:, ks].contiguous()
        elif re.search(r"(mlp\.gate\.weight|mlp\.gate\.wg\.weight|block_sparse_moe\.gate\.weight|router\.(layer\.)?weight|router\.bias|"
                       r"e_score_correction_bias|mlp\.experts\.(gate_up_proj|down_proj)(_bias|_blocks|_scales)?|input_linear\.weight|output_linear\.weight)$", k):
            out[k] = v[ks].contiguous()
        else:
            out[k] = v
    return out


def pruned_goldens(out, ck, opt, cfg, sel, meta):
    state = read_state(ck)
    for n, (method, ratio) in enumerate(opt["pruned"]):
        d = os.path.join(out, "pruned", f"{method}_{ratio}")
        shutil.rmtree(d, ignore_errors=True); os.makedirs(d)
        kept = {int(L): v["kept"] for L, v in sel[f"{method}@{ratio}"].items()}
        E2 = len(next(iter(kept.values())))
        with open(os.path.join(ck, "config.json")) as f:
            c = json.load(f)
        for key in NUM_EXPERT_KEYS:
            if key in c:
                c[key] = E2
        write_config(d, c)
        st = prune_state(state, kept, c["num_hidden_layers"])
        save_file(st, os.path.join(d, "model.safetensors"), metadata={"format": "pt"})
        m32, m64 = load(d, torch.float32), load(d, torch.float64)
        T, cap = {}, Capture(m32)
        for i in (1, 2, 4):
            lg = forward(m32, meta["prompts"][i], False).float()
            T[f"prompt{i}.logits"] = lg if i != 4 else lg[-8:]
            for L in cap.rec:
                mg = selection_margin(c, cap.rec[L]["logits"], router_bias(cap.layers[L][1], cap.layers[L][2]),
                                      cap.rec[L]["indices"].shape[1])
                if mg < MIN_ROUTER_MARGIN / 4:
                    raise RetrySeed(f"pruned router margin {mg:.1e}")
                idx, w = sort_by_weight(cap.rec[L]["indices"], cap.rec[L]["weights"])
                T[f"prompt{i}.layer{L}.topk_indices"] = idx.to(torch.int64)
                T[f"prompt{i}.layer{L}.topk_weights"] = w.float()
        cap.close()
        T["prompt1.logits_f64"] = forward(m64, meta["prompts"][1], True).double()
        ids = torch.tensor([meta["prompts"][2]])
        with torch.no_grad():
            g = m32.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False,
                             output_scores=True, return_dict_in_generate=True)
            top2 = torch.stack([s_[0].float().topk(2).values for s_ in g.scores])
            if float((top2[:, 0] - top2[:, 1]).min()) < MIN_GREEDY_MARGIN / 2:
                raise RetrySeed("pruned greedy margin")
            g = g.sequences[0, ids.shape[1]:].tolist()
        sha = {k: hashlib.sha256(v.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest() for k, v in sorted(st.items())}
        save_file({k: v.contiguous() for k, v in T.items()}, os.path.join(d, "golden.safetensors"))
        with open(os.path.join(d, "meta.json"), "w") as f:
            json.dump(dict(method=method, ratio=ratio, num_experts_after=E2, kept={str(k): v for k, v in kept.items()},
                           greedy_prompt2=g, n_tensors=len(st),
                           digest=hashlib.sha256(json.dumps(sha, sort_keys=True).encode()).hexdigest(),
                           tensor_sha256=sha if n == 0 else None), f, indent=0)
        if not (method == "reap" and ratio == 0.5 and cfg["model_type"] in ("olmoe", "mixtral")):
            os.remove(os.path.join(d, "model.safetensors"))


def run(out_root, names, specs):
    unknown = names - {name for name, _, _ in specs}
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    for name, opt, cfg in specs:
        if names and name not in names:
            continue
        out = os.path.join(out_root, "models", name)
        ck = os.path.join(out, "checkpoint")
        base, tries = opt["seed"], 0
        while True:                      # deterministic seed walk away from near-ties
            shutil.rmtree(out, ignore_errors=True)
            try:
                make_checkpoint(ck, name, opt, cfg)
                m64, meta = forward_goldens(out, ck, opt, cfg)
                if opt["saliency"]:
                    sel = saliency_goldens(out, m64, opt, cfg)
                    pruned_goldens(out, ck, opt, cfg, sel, meta)
                break
            except RetrySeed as e:
                tries += 1
                print(f"  {name} seed {opt['seed']}: {e}", flush=True)
                assert tries < 40
                opt["seed"] = base + 10000 * tries
        with open(os.path.join(out, "spec.json"), "w") as f:
            json.dump(dict(name=name, options={k: v for k, v in opt.items()}, base_seed=base, config=cfg), f, indent=1)
        sz = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(out) for f in fs)
        div = [len(set(g["new_tokens"])) for g in meta["greedy"]]
        print(f"{name}: seed={opt['seed']} margin={meta['min_router_margin']:.1e} diff32_64={max(meta['max_abs_diff_f32_f64_per_prompt']):.1e} "
              f"std={meta['logits_std']:.2f} pad={meta['right_padded_batch_max_abs_diff']:.0e} distinct={div} "
              f"gm={min(g['min_top1_top2_margin'] for g in meta['greedy']):.0e} {sz/1e6:.2f}MB", flush=True)


if __name__ == "__main__":
    from model_specs import SPECS
    run(sys.argv[1], set(sys.argv[2:]), SPECS)
