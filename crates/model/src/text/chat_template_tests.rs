#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::json;

use super::*;

fn template(source: &str) -> Result<ChatTemplate, TextError> {
    let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")];
    ChatTemplate::new(
        "test",
        source,
        tokens.map(|(name, text)| (name.into(), text.into())).into(),
    )
}

fn render(source: &str) -> Result<String, TextError> {
    let messages = [
        Message::new("system", " Be brief. "),
        Message::new("user", "Hi"),
        Message::new("assistant", "<think>x</think>\nYes"),
    ];
    template(source)?.render(
        &messages,
        true,
        &[("depth".to_owned(), json!({"b": [1, 2.0, true, null], "a": "é<'"}))].into(),
    )
}

#[track_caller]
fn gives(source: &str, expected: &str) {
    assert_eq!(render(source).unwrap(), expected, "{source}");
}

#[track_caller]
fn refuses(source: &str, expected: &str) {
    let message = render(source).unwrap_err().to_string();
    assert!(
        message.starts_with("chat template test, line ") && message.contains(expected),
        "{message}"
    );
}

#[test]
fn a_conversation_is_written_out_with_its_generation_prompt() {
    gives(
        "{{ bos_token }}{%- for message in messages %}\n  {%- if message['role'] == 'system' %}\n    {{- '[' + message.content.strip() + ']\n' }}\n    {%- continue %}\n  {%- endif %}\n{{- '<|' + message.role + '|>' + message['content'] + (eos_token if not loop.last else '') + '\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n{{- '<|assistant|>\n' }}\n{%- endif %}\n",
        "<s>[Be brief.]\n<|user|>Hi</s>\n<|assistant|><think>x</think>\nYes\n<|assistant|>\n",
    );
}

#[test]
fn blocks_are_trimmed_as_transformers_does() {
    gives("a\n   {% if true %}\n  b\n   {% endif %}\nc\n", "a\n  b\nc");
    gives(
        "{% for m in messages %}\n{{ m.role }}\n{% endfor %}\n",
        "system\nuser\nassistant\n",
    );
}

#[test]
fn python_idioms_work() {
    gives("{{ messages[2].content.split('</think>')[-1].lstrip('\n') }}", "Yes");
    gives(
        "{% set ns = namespace(n=0) %}{% for m in messages[::-1] %}{% if m.role == 'user' %}{% set ns.n = loop.index0 %}{% break %}{% endif %}{% endfor %}{{ ns.n }}",
        "1",
    );
    gives(
        "{{ messages[0].get('tool_calls', 'none') }}|{{ messages[0].tool_calls is defined }}|{{ tools is none }}",
        "none|False|True",
    );
    gives(
        "{{ messages[1].content.startswith('H') and '<think>' in messages[2]['content'] }}",
        "True",
    );
    gives(
        "{% for k, v in depth.items() %}{{ k }}={{ v }};{% endfor %}",
        "b=[1, 2.0, True, None];a=é<';",
    );
    gives(
        "{{ none }}|{{ undefined_thing }}|{{ 1.0 }}|{{ 7 // 2 }}|{{ messages|length }}",
        "None||1.0|3|3",
    );
    gives("{%- macro m(x) -%}<{{ x }}>{%- endmacro -%}{{ m(1) }}", "<1>");
    gives(
        "{% generation %}a{% endgeneration %}{%- generation -%} b {%- endgeneration -%}",
        "ab",
    );
}

#[test]
fn json_is_written_as_python_writes_it() {
    gives("{{ depth | tojson }}", r#"{"b": [1, 2.0, true, null], "a": "é<'"}"#);
    gives(
        "{{ depth.b | tojson(indent=2) }}",
        "[\n  1,\n  2.0,\n  true,\n  null\n]",
    );
    gives("{{ {'x': 1} | tojson(ensure_ascii=false) }}", r#"{"x": 1}"#);
}

#[test]
fn errors_name_template_and_line() {
    refuses(
        "a\n{{ raise_exception('Roles must alternate') }}",
        "line 2: invalid operation: the template refuses these messages: Roles must alternate",
    );
    refuses("a\nb\n{{ x.y.z }}", "line 3: ");
    refuses("{% if %}", "line 1: syntax error");
    refuses("{{ messages[0].content.frobnicate() }}", "line 1: unknown method");
    refuses("{{ strftime_now('%Q') }}", "strftime_now does not know %Q");
}

#[test]
fn endless_and_hostile_templates_are_stopped() {
    refuses(
        "{% for a in range(90000) %}{% for b in range(90000) %}{% for c in range(90000) %}{% endfor %}{% endfor %}{% endfor %}",
        "does not end within",
    );
    refuses("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line");
    refuses("{{ 'x' * 100000000000 }}", "line 1");
    refuses(
        "{% set ns = namespace(s='x' * 1000000) %}{% for i in range(100) %}{{ ns.s }}{% endfor %}",
        "more than 67108864 bytes",
    );
    refuses("{{ [1] | tojson(indent=100000) }}", "indent");
    refuses(&"{% if true %}".repeat(2000), "line");
    refuses(
        &format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)),
        "line",
    );
}

#[test]
fn the_date_is_the_one_given() {
    gives("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024");
}

#[test]
fn templates_come_from_either_file_and_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let open = || ChatTemplates::open(path, &BTreeMap::new());
    let one = |name: &str| {
        open()
            .unwrap()
            .unwrap()
            .get(name)
            .unwrap()
            .render(&[], false, &BTreeMap::new())
            .unwrap()
    };
    assert_eq!(open().unwrap(), None);
    let write = |value: &Json| {
        fs::write(
            path.join("tokenizer_config.json"),
            json!({"chat_template": value}).to_string(),
        )
        .unwrap();
    };
    write(&Json::Null);
    assert_eq!(open().unwrap(), None);
    write(&json!("one"));
    assert_eq!(one("default"), "one");
    write(&json!([{"name": "default", "template": "two"}, {"name": "rag", "template": "three"}]));
    assert_eq!((one("default"), one("rag")), ("two".into(), "three".into()));
    let message = open().unwrap().unwrap().get("tool_use").unwrap_err().to_string();
    assert_eq!(
        message,
        "the model has no chat template `tool_use`; it has: default, rag"
    );
    for wrong in [json!(3), json!([1]), json!([{"name": "x"}]), json!({"default": "x"})] {
        write(&wrong);
        assert!(
            open()
                .unwrap_err()
                .to_string()
                .contains("expected a string, or a list of objects")
        );
    }
    write(&json!("{% if %}"));
    let message = open().unwrap_err().to_string();
    assert!(
        message.contains("`default` of ") && message.contains("tokenizer_config.json, line 1: syntax error"),
        "{message}"
    );
    fs::write(path.join("chat_template.jinja"), "four").unwrap();
    assert_eq!(one("default"), "four");
}
