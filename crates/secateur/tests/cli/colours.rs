//! Colours: where a terminal is, unless `NO_COLOR` says otherwise; anywhere with `CLICOLOR_FORCE`.

use std::path::Path;

use crate::{command, text};

const ESCAPE: char = '\u{1b}';

/// What help and errors look like with these variables.
fn shown(variables: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let cases: [(&str, &[&str]); 3] = [
        ("help", &["sweep", "--help"]),
        ("wrong usage", &["swep"]),
        ("an error", &["sweep", "nowhere.toml"]),
    ];
    let show = |(name, arguments): (&'static str, &[&str])| {
        let mut command = command(Path::new("."), arguments);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        (name, text(&output.stdout) + &text(&output.stderr))
    };
    cases.into_iter().map(show).collect()
}

#[test]
fn help_and_errors_are_coloured_as_they_should_be() {
    let cases: [(&[(&str, &str)], bool); 3] = [
        (&[], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ];
    for (variables, coloured) in cases {
        for (name, text) in shown(variables) {
            assert_eq!(text.contains(ESCAPE), coloured, "{name} with {variables:?}: {text:?}");
        }
    }
}

/// `script` gives the program a terminal; its Debian package is on every system.
#[cfg(target_os = "linux")]
#[test]
fn bars_on_a_terminal_are_coloured_unless_that_is_not_wanted() {
    use crate::tiny::Sweep;

    for (no_color, coloured) in [(false, true), (true, false)] {
        let sweep = Sweep::new();
        let program = env!("CARGO_BIN_EXE_secateur");
        let line = format!("'{program}' sweep sweep.toml --results results");
        let mut script = std::process::Command::new("script");
        script
            .current_dir(sweep.folder.path())
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("CLICOLOR")
            .env_remove("NO_COLOR");
        if no_color {
            script.env("NO_COLOR", "1");
        }
        let output = script.output().unwrap();
        let seen = text(&output.stdout);
        assert!(output.status.success() && seen.contains("/14 cells"), "{seen:?}");
        assert_eq!(seen.contains("\u{1b}[36m"), coloured, "{no_color}: {seen:?}");
        // Bars move the cursor, and nothing else is left of escapes.
        let colours = seen.split(ESCAPE).skip(1).filter(|rest| {
            let end = rest.find(|c: char| c.is_ascii_alphabetic());
            end.is_some_and(|at| rest[at..].starts_with('m'))
        });
        assert_eq!(colours.count() > 0, coloured, "{no_color}: {seen:?}");
    }
}
