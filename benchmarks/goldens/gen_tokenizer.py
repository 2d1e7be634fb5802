#!/usr/bin/env python3
"""Train the tiny tokenizers that the tiny checkpoints carry.

Five tokenizer *styles* are trained (vocab 512 each) on text written for this
fixture, one per pre-tokenisation family met in real MoE checkpoints:

  gpt2      NFC normaliser, ByteLevel(use_regex) pre-tokenizer           (OLMoE)
  qwen      NFC, Split(regex, Isolated) + ByteLevel(use_regex=false)     (Qwen2/3-MoE)
  llama     Prepend '▁' + Replace ' '->'▁', BPE byte_fallback, fuse_unk,
            BOS template post-processor                                  (Mixtral, Phi)
  deepseek  Sequence of several Splits + Digits + ByteLevel, BOS         (DeepSeek)
  o200k     Split(o200k-like case-aware regex) + ByteLevel               (gpt-oss)
"""
import json, os, sys, unicodedata
from tokenizers import (Tokenizer, models, pre_tokenizers, decoders, trainers,
                        normalizers, processors, Regex, AddedToken)

CORPUS = """
The small river runs past the old mill and under the stone bridge. In the morning
the miller opens the gate, and the wheel begins to turn. Grain becomes flour, flour
becomes bread, and bread becomes the talk of the village. A router chooses which
expert should answer each token; most experts sleep while a few of them work.
If we remove an expert that is rarely chosen, the model may not notice at all, but
if we remove one which carries a rare skill, the damage can be large. So we measure:
how often is it chosen, how large is its output, how strongly is it weighted?
Question: What is 12 + 30? Answer: 42. Question: What is the capital of France?
Answer: Paris. Question: Which animal says "moo"? Answer: The cow. 3.14159, 2024-05-17,
100,000 people; don't, can't, it's, we're, they'll, I'd, you've.
def add(a, b):\n    return a + b\n\nfor i in range(10):\n\tprint(i, add(i, 1))\n
fn main() { let x = vec![1, 2, 3]; println!("{:?}", x); } // comment
SELECT name, age FROM people WHERE age >= 21 ORDER BY name;
El niño comió piñas en el jardín. L'été est très court à Besançon. Größe, Straße, über.
Привет, мир! Как дела? 你好,世界。今天天气很好。こんにちは、元気ですか。
The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX. Sphinx of black quartz,
judge my vow. She sells sea shells by the sea shore. How much wood would a woodchuck chuck
if a woodchuck could chuck wood? The experts in layer three answered the questions about
rivers, bridges, mills and bread. The router gave each of them a weight between zero and one.
"""

SPECIALS = ["<|endoftext|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]
QWEN_RE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K_RE = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def build(style: str, vocab_size: int = 512) -> Tokenizer:
    if style == "llama":
        sp = ["<unk>", "<s>", "</s>"]
        tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        byte_toks = [f"<0x{i:02X}>" for i in range(256)]
        tr = trainers.BpeTrainer(vocab_size=vocab_size - 256, special_tokens=sp, show_progress=False,
                                 limit_alphabet=90, max_token_length=12)
        # train over whitespace-delimited pieces, as sentencepiece would
        tok.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
        tok.train_from_iterator(CORPUS.strip().split("\n"), tr)
        tok.pre_tokenizer = None
        # splice the 256 byte tokens in after the specials, keep merges unchanged
        d = json.loads(tok.to_str())
        old = sorted(d["model"]["vocab"].items(), key=lambda kv: kv[1])
        names = sp + byte_toks + [k for k, _ in old if k not in sp]
        d["model"]["vocab"] = {n: i for i, n in enumerate(names)}
        d["added_tokens"] = [dict(id=i, content=s, single_word=False, lstrip=False, rstrip=False,
                                  normalized=False, special=True) for i, s in enumerate(sp)]
        tok = Tokenizer.from_str(json.dumps(d))
        tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                         decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
        return tok
    tok = Tokenizer(models.BPE())
    if style == "gpt2":
        tok.normalizer = normalizers.NFC()
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    elif style == "qwen":
        tok.normalizer = normalizers.NFC()
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN_RE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    elif style == "deepseek":
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"),
            pre_tokenizers.Split(Regex(r"\s?\p{L}+"), "isolated"),
            pre_tokenizers.Split(Regex(r"\s?\p{P}+"), "isolated"),
            pre_tokenizers.Split(Regex(r"[一-龥ࠀ-一가-퟿]+"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    elif style == "o200k":
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(O200K_RE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        raise ValueError(style)
    tr = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIALS, show_progress=False,
                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(CORPUS.strip().split("\n"), tr)
    tok.decoder = decoders.ByteLevel()
    if style == "deepseek":
        tok.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", pair="<|endoftext|> $A <|endoftext|>:1 $B:1",
            special_tokens=[("<|endoftext|>", tok.token_to_id("<|endoftext|>"))])
    return tok


STYLES = ["gpt2", "qwen", "llama", "deepseek", "o200k"]


def tokenizer_config(style):
    if style == "llama":
        return dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>",
                    unk_token="<unk>", pad_token=None, add_bos_token=True, add_eos_token=False,
                    model_max_length=2048, clean_up_tokenization_spaces=False)
    return dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<|endoftext|>" if style == "deepseek" else None,
                eos_token="<|endoftext|>", pad_token="<|pad|>", unk_token=None,
                add_bos_token=style == "deepseek", add_eos_token=False,
                model_max_length=2048, clean_up_tokenization_spaces=False)


def save_into(style, out_dir):
    """Write tokenizer.json + tokenizer_config.json for one style."""
    os.makedirs(out_dir, exist_ok=True)
    build(style).save(os.path.join(out_dir, "tokenizer.json"), pretty=False)
    with open(os.path.join(out_dir, "tokenizer_config.json"), "w") as f:
        json.dump({k: v for k, v in tokenizer_config(style).items() if v is not None}, f, indent=1)
