#!/usr/bin/env python3
"""Tiny random checkpoints of the families with recurrent mixers, in hub layout, and their goldens.

Usage: gen_hybrid.py OUT_DIR [name ...]

As gen_models.py, without saliency; with the states after a prefill, logits that were decoded with a cache, and the residual stream
after every block.
"""
import hashlib, json, math, os, re, shutil, sys
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3_5MoeForConditionalGeneration, Qwen3_5MoeForCausalLM
from gen_models import gen_for, Float64Mode, nullmode, write_config, save_sharded, read_state, make_prompts, sort_by_weight
import gen_tokenizer
torch.set_num_threads(1)
EAGER = dict(attn_implementation="eager", experts_implementation="eager")
INF = float("inf")


# ------------------------------------------------------------------ weights
def init_value(name, shape, seed, kind):
    g = gen_for(seed, name)
    r = torch.randn(shape, generator=g, dtype=torch.float32)
    last = name.split(".")[-1]
    fan = shape[-1]
    if re.search(r"(embeddings|embed_tokens)\.weight$", name): return r * (1.0 if kind != "lfm2" else 3.0 / math.sqrt(fan))
    if name == "lm_head.weight": return r * 3.0 / math.sqrt(fan)
    if last in ("e_score_correction_bias", "expert_bias"): return r * 0.15
    if re.search(r"(mixer|mlp|feed_forward)\.(gate|router)\.weight$", name): return r * 2.5 / math.sqrt(fan)
    if "shared_expert_gate" in name: return r / math.sqrt(fan)
    if last == "A_log": return torch.log(0.2 + 2.0 * torch.rand(shape, generator=g)) if kind != "nemotron" else torch.log(0.5 + 6.0 * torch.rand(shape, generator=g))
    if last == "dt_bias": return r * 0.5 if kind != "nemotron" else torch.rand(shape, generator=g) * 1.5 - 1.0
    if last == "D": return 1.0 + 0.5 * r
    if len(shape) == 1 and "norm" in name and last == "weight":
        zero_centred = kind in ("qwen3_5", "qwen3_next") and "linear_attn.norm" not in name and "visual" not in name
        return 0.2 * r if zero_centred else 1.0 + 0.2 * r
    if len(shape) == 1 or last == "bias" or last.endswith("_bias"): return 0.2 * r
    if "conv" in name and len(shape) == 3: return r * 0.5
    if len(shape) == 3:                                     # fused experts
        v = r * (1.6 if "up" in last else 1.2) / math.sqrt(shape[2])
        if "down" in last:
            v = v * torch.exp(0.5 * torch.randn(shape[0], generator=g))[:, None, None]
        return v
    gain = 1.6 if re.search(r"(up_proj|gate_proj|w1|w3|q_proj|k_proj)\.weight$", name) else 1.0
    return r * gain / math.sqrt(fan)


def init_model(model, seed, kind):
    with torch.no_grad():
        ts = dict(model.named_parameters())
        ts.update({n: b for n, b in model.named_buffers() if n.endswith(("e_score_correction_bias", "expert_bias"))})
        for n, p in ts.items():
            p.copy_(init_value(n, tuple(p.shape), seed, kind).to(p.dtype))
        model.tie_weights()


# ------------------------------------------------------------------ hub layout
def to_hub(state, kind, seed, opt, cfg):
    """HF v5 in-memory names -> names of the published checkpoints."""
    out = {}
    for k, v in state.items():
        if kind == "nemotron":
            k = re.sub(r"^model\.", "backbone.", k)
            m = re.match(r"(.*mixer\.experts)\.(up_proj|down_proj)$", k)
            if m:
                for e in range(v.shape[0]): out[f"{m[1]}.{e}.{m[2]}.weight"] = v[e].contiguous()
                continue
        elif kind == "qwen3_next":
            m = re.match(r"(.*mlp\.experts)\.(gate_up_proj|down_proj)$", k)
            if m:
                for e in range(v.shape[0]):
                    if m[2] == "down_proj": out[f"{m[1]}.{e}.down_proj.weight"] = v[e].contiguous()
                    else:
                        a, b = v[e].chunk(2, 0)
                        out[f"{m[1]}.{e}.gate_proj.weight"], out[f"{m[1]}.{e}.up_proj.weight"] = a.contiguous(), b.contiguous()
                continue
        elif kind == "lfm2":
            m = re.match(r"(.*feed_forward\.experts)\.(gate_up_proj|down_proj)$", k)
            if m:
                for e in range(v.shape[0]):
                    if m[2] == "down_proj": out[f"{m[1]}.{e}.w2.weight"] = v[e].contiguous()
                    else:
                        a, b = v[e].chunk(2, 0)
                        out[f"{m[1]}.{e}.w1.weight"], out[f"{m[1]}.{e}.w3.weight"] = a.contiguous(), b.contiguous()
                continue
            if k == "lm_head.weight": continue           # tied
        out[k] = v.contiguous()
    if kind == "qwen3_5":                                # MTP head: a text-only loader must skip it
        t = cfg["text_config"]; h, E, I = t["hidden_size"], t["num_experts"], t["moe_intermediate_size"]
        d, nh, nk, S = t["head_dim"], t["num_attention_heads"], t["num_key_value_heads"], t["shared_expert_intermediate_size"]
        sh = {"fc.weight": (h, 2 * h), "norm.weight": (h,), "pre_fc_norm_embedding.weight": (h,), "pre_fc_norm_hidden.weight": (h,),
              "layers.0.input_layernorm.weight": (h,), "layers.0.post_attention_layernorm.weight": (h,),
              "layers.0.self_attn.q_proj.weight": (2 * nh * d, h), "layers.0.self_attn.k_proj.weight": (nk * d, h),
              "layers.0.self_attn.v_proj.weight": (nk * d, h), "layers.0.self_attn.o_proj.weight": (h, nh * d),
              "layers.0.self_attn.q_norm.weight": (d,), "layers.0.self_attn.k_norm.weight": (d,),
              "layers.0.mlp.gate.weight": (E, h), "layers.0.mlp.shared_expert_gate.weight": (1, h),
              "layers.0.mlp.shared_expert.gate_proj.weight": (S, h), "layers.0.mlp.shared_expert.up_proj.weight": (S, h),
              "layers.0.mlp.shared_expert.down_proj.weight": (h, S)}
        if opt.get("mtp") == "fused":                    # Qwen3.6
            sh["layers.0.mlp.experts.gate_up_proj"] = (E, 2 * I, h); sh["layers.0.mlp.experts.down_proj"] = (E, h, I)
        else:                                            # Qwen3.5: per expert
            for e in range(E):
                for n, s in (("gate_proj", (I, h)), ("up_proj", (I, h)), ("down_proj", (h, I))):
                    sh[f"layers.0.mlp.experts.{e}.{n}.weight"] = s
        for n, s in sh.items():
            g = gen_for(seed, "mtp", n)
            out["mtp." + n] = torch.randn(s, generator=g) / math.sqrt(s[-1])
    return out


F32_KEYS = ("e_score_correction_bias", "expert_bias")


def make_checkpoint(ck, kind, opt, cfg):
    os.makedirs(ck, exist_ok=True)
    write_config(ck, cfg)
    config = AutoConfig.from_pretrained(ck)
    config.dtype = torch.float32
    cls = Qwen3_5MoeForConditionalGeneration if kind == "qwen3_5" else AutoModelForCausalLM
    model = (cls._from_config(config, **EAGER) if kind == "qwen3_5" else cls.from_config(config, **EAGER)).float().eval()
    init_model(model, opt["seed"], kind)
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    hub = to_hub(state, kind, opt["seed"], opt, cfg)
    if opt["dtype"] == "bfloat16":
        hub = {k: v if k.endswith(F32_KEYS) else v.to(torch.bfloat16) for k, v in hub.items()}
    if kind == "nemotron" and opt["dtype"] == "bfloat16":
        hub = {k: v.float() if k.endswith("mixer.gate.weight") else v for k, v in hub.items()}
    save_sharded(hub, ck, opt["shards"])
    gc = {k: cfg.get(k, cfg.get("text_config", {}).get(k)) for k in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with open(os.path.join(ck, "generation_config.json"), "w") as f:
        json.dump({k: v for k, v in gc.items() if v is not None}, f, indent=1)
    gen_tokenizer.save_into(opt["tok"], ck)


def load(ck, dtype, kind, config=None):
    cls = Qwen3_5MoeForConditionalGeneration if kind == "qwen3_5" else AutoModelForCausalLM
    kw = dict(EAGER)
    if config is not None: kw["config"] = config
    model, info = cls.from_pretrained(ck, dtype=dtype, output_loading_info=True, **kw)
    bad = {k: v for k, v in info.items() if v and not (k == "unexpected_keys" and all(x.startswith("mtp.") for x in v))}
    assert not bad, bad
    if dtype == torch.float64:      # buffers that HF pins to float32
        for n, b in model.named_buffers():
            if n.endswith(F32_KEYS): b.data = b.data.double()
    model.eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


# ------------------------------------------------------------------ capture
def layers_of(model):
    m = model.model
    return m.language_model.layers if hasattr(m, "language_model") else m.layers


class Capture:
    """Per MoE layer: router logits/weights/indices, experts input x, routed output, residual before the block norm."""
    def __init__(self, model):
        self.rec, self.handles, self.layers = {}, [], {}
        for i, layer in enumerate(layers_of(model)):
            ex = [m for m in layer.modules() if type(m).__name__.endswith("Experts")]
            ro = [m for m in layer.modules() if type(m).__name__.endswith("Router")]
            if not ex: continue
            self.layers[i], self.rec[i] = (ex[0], ro[0], layer), {}
            self.handles += [ro[0].register_forward_hook(lambda m, a, o, i=i: self.rec[i].update(logits=o[0].detach(), weights=o[1].detach(), indices=o[2].detach())),
                             ex[0].register_forward_hook(lambda m, a, k, o, i=i: self._ex(i, a, k, o), with_kwargs=True)]
            norm = next(getattr(layer, n) for n in ("post_attention_layernorm", "ffn_norm", "norm") if hasattr(layer, n))
            self.handles.append(norm.register_forward_pre_hook(lambda m, a, i=i: self.rec[i].__setitem__("resid", a[0].detach().reshape(-1, a[0].shape[-1]))))

    def _ex(self, i, a, k, o):
        x = a[0] if a else k["hidden_states"]
        self.rec[i].update(x=x.detach().reshape(-1, x.shape[-1]), out=o.detach().reshape(-1, o.shape[-1]))

    def close(self):
        for h in self.handles: h.remove()


def forward(model, ids, f64=False, **kw):
    with torch.no_grad(), (Float64Mode() if f64 else nullmode()):
        return model(input_ids=torch.tensor([ids]), use_cache=False, **kw).logits[0]


def decode(model, ids, prefill):
    """Logits with a cache: `prefill` tokens at once, then one token at a time. Returns logits of all positions and the cache."""
    outs, past = [], None
    with torch.no_grad():
        pos = 0
        while pos < len(ids):
            n = prefill if pos == 0 and prefill else 1
            o = model(input_ids=torch.tensor([ids[pos:pos + n]]), past_key_values=past, use_cache=True)
            past = o.past_key_values
            outs.append(o.logits[0]); pos += n
    return torch.cat(outs), past


# ------------------------------------------------------------------ goldens
def goldens(out, ck, kind, opt, cfg):
    vocab = cfg.get("vocab_size") or cfg["text_config"]["vocab_size"]
    m32, m64 = load(ck, torch.float32, kind), load(ck, torch.float64, kind)
    prompts, text = make_prompts(opt["seed"], ck, vocab)
    T, meta = {}, dict(prompts=prompts, text_of_last_prompt=text)
    c32, c64 = Capture(m32), Capture(m64)
    meta["moe_layers"] = sorted(c32.rec)
    margins, diffs, mism = [], [], 0
    for i, ids in enumerate(prompts):
        l32, l64 = forward(m32, ids), forward(m64, ids, True)
        T[f"prompt{i}.input_ids"] = torch.tensor(ids)
        T[f"prompt{i}.logits"] = l32.float()
        if i in (1, 4): T[f"prompt{i}.logits_f64"] = l64.double()
        diffs.append((l32.double() - l64).abs().max().item())
        for L in c32.rec:
            r, r64 = c32.rec[L], c64.rec[L]
            idx, w = sort_by_weight(r["indices"], r["weights"]); idx64, w64 = sort_by_weight(r64["indices"], r64["weights"])
            mism += int((idx.sort(-1)[0] != idx64.sort(-1)[0]).any(-1).sum())
            T[f"prompt{i}.layer{L}.router_logits"] = r["logits"].float()
            T[f"prompt{i}.layer{L}.topk_indices"] = idx.to(torch.int64)
            T[f"prompt{i}.layer{L}.topk_weights"] = w.float()
            if i in (1, 4):
                T[f"prompt{i}.layer{L}.router_logits_f64"] = r64["logits"].double()
                T[f"prompt{i}.layer{L}.topk_weights_f64"] = w64.double()
            if i == 1:
                T[f"prompt{i}.layer{L}.experts_input"] = r["x"].float()
                T[f"prompt{i}.layer{L}.experts_output"] = r["out"].float()
                T[f"prompt{i}.layer{L}.residual"] = r["resid"].float()
            # selection margin between the k-th and (k+1)-th selection score
            s = r64["logits"].double()
            b = next((b for n, b in c64.layers[L][2].named_buffers() if n.endswith(F32_KEYS)), None)
            if b is not None: s = s.sigmoid() + b.double()
            ng = cfg.get("n_group", 1) or 1
            if ng > 1:
                gsz = s.shape[1] // ng
                gs = s.view(-1, ng, gsz).topk(2, -1)[0].sum(-1); tg = cfg["topk_group"]
                so = gs.sort(-1, descending=True)[0]; margins.append((so[:, tg - 1] - so[:, tg]).min().item())
                keep = torch.zeros_like(gs).scatter_(1, gs.topk(tg, -1)[1], 1).bool().repeat_interleave(gsz, 1)
                a, z = s.masked_fill(~keep, -INF), s.masked_fill(~keep, 0.0)
                kk = idx.shape[1]
                assert torch.equal(a.topk(kk)[1].sort(-1)[0], z.topk(kk)[1].sort(-1)[0]), "-inf and 0.0 masking differ"
                s = a
            s = s.sort(-1, descending=True)[0]; k = idx.shape[1]
            margins.append((s[:, k - 1] - s[:, k]).min().item())
    meta.update(min_router_margin=min(margins), routing_f32_f64_mismatched_tokens=mism, max_abs_diff_f32_f64_per_prompt=diffs,
                logits_std=float(T["prompt4.logits"].std()))
    assert mism == 0, out
    c32.close(); c64.close()
    # hidden states after every block, prompt1
    hs = []
    hh = [l.register_forward_hook(lambda m, a, o: hs.append((o[0] if isinstance(o, tuple) else o).detach()[0])) for l in layers_of(m32)]
    forward(m32, prompts[1])
    for h in hh: h.remove()
    for L, h in enumerate(hs): T[f"prompt1.layer{L}.hidden_out"] = h.float()
    if opt["dtype"] == "bfloat16":
        mb = load(ck, torch.bfloat16, kind)
        for i in (1, 4): T[f"prompt{i}.logits_bf16_run"] = forward(mb, prompts[i]).float()
        meta["bf16_run_max_abs_diff_prompt4"] = float((T["prompt4.logits_bf16_run"] - T["prompt4.logits"]).abs().max())
    # cache / recurrent path
    meta["decode"] = {}
    for name, i, pre in (("token_by_token_prompt3", 3, 0), ("prefill17_then_tokens_prompt4", 4, 17), ("token_by_token_prompt4", 4, 0)):
        lg, past = decode(m32, prompts[i], pre)
        if name != "token_by_token_prompt4": T[f"decode.{name}.logits"] = lg.float()
        meta["decode"][name] = dict(prompt=i, prefill=pre, max_abs_diff_to_full_forward=float((lg - T[f"prompt{i}.logits"]).abs().max()))
    # final recurrent / conv state after a full cached prefill of prompt4
    _, past = decode(m32, prompts[4], len(prompts[4]))
    meta["state_shapes"] = {}
    for li, cl in enumerate(past.layers):
        for attr in ("conv_states", "recurrent_states"):
            v = getattr(cl, attr, None)
            if isinstance(v, dict): v = v.get(0)
            if isinstance(v, (list, tuple)): v = v[0]
            if torch.is_tensor(v):
                nm = "conv_state" if "conv" in attr else "recurrent_state"
                T[f"prompt4.layer{li}.{nm}"] = v[0].float()
                meta["state_shapes"][f"layer{li}.{nm}"] = list(v.shape[1:])
    # greedy
    gen = []
    for i in (1, 2, 4, 5):
        ids = torch.tensor([prompts[i]])
        with torch.no_grad():
            o = m32.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False, output_scores=True, return_dict_in_generate=True)
        new = o.sequences[0, ids.shape[1]:].tolist()
        t2 = torch.stack([s[0].float().topk(2).values for s in o.scores])
        fl = forward(m32, prompts[i] + new[:-1])[len(prompts[i]) - 1:]
        gen.append(dict(prompt=i, new_tokens=new, min_top1_top2_margin=float((t2[:, 0] - t2[:, 1]).min()),
                        agrees_with_full_forward=bool((fl.argmax(-1) == torch.tensor(new)).all())))
    meta["greedy"] = gen
    lp = torch.log_softmax(forward(m64, prompts[4], True).double(), -1)
    tgt = torch.tensor(prompts[4][1:])
    meta["nll_prompt4_f64"] = float(-lp[:-1].gather(1, tgt[:, None]).sum())
    re_ = next((m for m in m32.modules() if type(m).__name__.endswith("RotaryEmbedding") and "Vision" not in type(m).__name__), None)
    if re_ is not None:
        T["rope.inv_freq"] = re_.inv_freq.float().contiguous(); meta["rope_attention_scaling"] = float(re_.attention_scaling)
    if kind == "nemotron":
        mins = []
        hh = [m.register_forward_hook(lambda m, a, o, mm=mx: mins.append(torch.nn.functional.softplus(o[..., -mm.num_heads:] + mm.dt_bias).min().item()))
              for mx in m32.modules() if type(mx).__name__ == "NemotronHMamba2Mixer" for m in [mx.in_proj]]
        for p in prompts: forward(m32, p)
        for h in hh: h.remove()
        meta["min_dt"] = min(mins); assert meta["min_dt"] > cfg["time_step_min"] * 1.5, meta["min_dt"]
    if kind == "qwen3_5":       # the text-only class gives the same result
        mt, info = Qwen3_5MoeForCausalLM.from_pretrained(ck, dtype=torch.float32, output_loading_info=True, **EAGER)
        meta["text_only_class_unexpected_keys"] = sorted({re.sub(r"\d+", "N", k) for k in info["unexpected_keys"]})
        assert not info["missing_keys"], info["missing_keys"]
        meta["text_only_class_max_abs_diff"] = float((forward(mt.eval(), prompts[4]) - T["prompt4.logits"]).abs().max())
    save_file({k: v.contiguous() for k, v in T.items()}, os.path.join(out, "golden.safetensors"))
    with open(os.path.join(out, "golden.json"), "w") as f: json.dump(meta, f, indent=1)
    return m32, m64, meta


def extra_nemotron_dtclamp(out, ck, opt, cfg, meta):
    """The same checkpoint, config time_step_min raised so that the clamp is active: three conventions."""
    T, info = {}, {}
    c = AutoConfig.from_pretrained(ck); c.time_step_min = 0.35
    m = load(ck, torch.float32, "nemotron", config=c)
    ids = meta["prompts"][3]
    T["clamped_chunk_scan.logits"] = forward(m, ids).float()                # HF 5.23 prefill: dt clamped to >= time_step_min
    T["hf_token_by_token.logits"] = decode(m, ids, 0)[0].float()            # HF 5.23 decode: first token clamped, later ones not
    c2 = AutoConfig.from_pretrained(ck); c2.time_step_min = 0.0
    T["unclamped.logits"] = forward(load(ck, torch.float32, "nemotron", config=c2), ids).float()
    T["input_ids"] = torch.tensor(ids)
    info = {f"max_abs_diff {a} vs {b}": float((T[a + ".logits"] - T[b + ".logits"]).abs().max())
            for a, b in (("clamped_chunk_scan", "unclamped"), ("clamped_chunk_scan", "hf_token_by_token"), ("unclamped", "hf_token_by_token"))}
    info["time_step_min"] = 0.35
    save_file(T, os.path.join(out, "golden_dtclamp.safetensors"))
    json.dump(info, open(os.path.join(out, "golden_dtclamp.json"), "w"), indent=1)
    print("   dtclamp", info)


# ------------------------------------------------------------------ pruned logits
NKEYS = ("num_experts", "num_local_experts", "n_routed_experts")


def prune_hub(state, kept, kind):
    out = {}
    for k, v in state.items():
        m = re.match(r"(?:backbone|model|model\.language_model)\.layers\.(\d+)\.", k)
        L = int(m[1]) if m else None
        if L not in kept: out[k] = v; continue
        ks = kept[L]
        e = re.search(r"\.experts\.(\d+)\.", k)
        if e:
            if int(e[1]) in ks: out[k.replace(f".experts.{e[1]}.", f".experts.{ks.index(int(e[1]))}.")] = v
        elif re.search(r"((mixer|mlp|feed_forward)\.(gate|router)\.(weight|bias|e_score_correction_bias)|feed_forward\.expert_bias|"
                       r"experts\.(gate_up_proj|down_proj))$", k):
            out[k] = v[ks].contiguous()
        else: out[k] = v
    return out


def pruned(out, ck, kind, opt, cfg, meta, n_keep):
    """Keep an arbitrary fixed set of experts per layer (not a saliency choice): checks slicing and re-routing only."""
    d = os.path.join(out, "pruned"); shutil.rmtree(d, ignore_errors=True); os.makedirs(d)
    c = json.load(open(os.path.join(ck, "config.json")))
    t = c.get("text_config", c)
    E = next(t[k] for k in NKEYS if k in t)
    ng = t.get("n_group", 1) or 1
    kept = {}
    for L in meta["moe_layers"]:
        r = np.random.default_rng(opt["seed"] * 1000 + L)
        if ng == 1: ks = sorted(r.choice(E, n_keep, replace=False).tolist())
        else:
            gs = E // ng
            ks = sorted(int(g * gs + j) for g in range(ng) for j in r.choice(gs, n_keep // ng, replace=False))
        kept[L] = ks
    for k in NKEYS:
        if k in t: t[k] = n_keep
    st = prune_hub(read_state(ck), kept, kind)
    write_config(d, c); save_file(st, os.path.join(d, "model.safetensors"), metadata={"format": "pt"})
    m32, m64 = load(d, torch.float32, kind), load(d, torch.float64, kind)
    T, cap = {}, Capture(m32)
    for i in (1, 2, 4):
        T[f"prompt{i}.logits"] = forward(m32, meta["prompts"][i]).float()
        for L in cap.rec:
            idx, w = sort_by_weight(cap.rec[L]["indices"], cap.rec[L]["weights"])
            T[f"prompt{i}.layer{L}.topk_indices"], T[f"prompt{i}.layer{L}.topk_weights"] = idx.to(torch.int64), w.float()
    cap.close()
    T["prompt1.logits_f64"] = forward(m64, meta["prompts"][1], True).double()
    ids = torch.tensor([meta["prompts"][2]])
    with torch.no_grad():
        g = m32.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False)[0, ids.shape[1]:].tolist()
    sha = {k: hashlib.sha256(v.contiguous().view(torch.uint8).numpy().tobytes() if v.dim() else v.reshape(1).view(torch.uint8).numpy().tobytes()).hexdigest()
           for k, v in sorted(st.items()) if not k.startswith(("mtp.", "model.visual."))}
    save_file(T, os.path.join(d, "golden.safetensors"))
    json.dump(dict(num_experts_after=n_keep, kept={str(k): v for k, v in kept.items()}, greedy_prompt2=g,
                   note="tensor_sha256: sha256 of the raw little-endian bytes of every tensor except mtp.* and model.visual.*",
                   tensor_sha256=sha), open(os.path.join(d, "meta.json"), "w"), indent=0)
    os.remove(os.path.join(d, "model.safetensors"))


def run(root, names):
    from hybrid_specs import SPECS
    for name, kind, opt, cfg in SPECS:
        if names and name not in names: continue
        out = os.path.join(root, "models", name); ck = os.path.join(out, "checkpoint")
        shutil.rmtree(out, ignore_errors=True)
        make_checkpoint(ck, kind, opt, cfg)
        m32, m64, meta = goldens(out, ck, kind, opt, cfg)
        if opt.get("dtclamp"): extra_nemotron_dtclamp(out, ck, opt, cfg, meta)
        if opt.get("n_keep"): pruned(out, ck, kind, opt, cfg, meta, opt["n_keep"])
        sz = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(out) for f in fs)
        print(f"{name}: margin={meta['min_router_margin']:.1e} d32_64={max(meta['max_abs_diff_f32_f64_per_prompt']):.1e} std={meta['logits_std']:.2f} "
              f"dec={[round(v['max_abs_diff_to_full_forward'], 8) for v in meta['decode'].values()]} gen={[g['agrees_with_full_forward'] for g in meta['greedy']]} "
              f"gm={min(g['min_top1_top2_margin'] for g in meta['greedy']):.1e} {sz / 1e6:.2f}MB", flush=True)


if __name__ == "__main__":
    run(sys.argv[1], set(sys.argv[2:]))
