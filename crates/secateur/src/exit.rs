//! How a command ends: the same codes for all.

use std::fmt::Write as _;
use std::process::ExitCode;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// As asked.
    Done = 0,
    /// Nothing was done, or not all of it.
    Refused = 1,
    /// The command line makes no sense; clap ends the program so.
    Usage = 2,
    /// Some parts failed, and the others are done.
    SomeFailed = 3,
    /// A comparison found something worse.
    Regression = 4,
    /// A comparison or a report lacks cells.
    Incomplete = 5,
    /// 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

/// Commands that may end with more than 0, 1 and 2.
const FURTHER: &[(&str, &[Exit])] = &[
    ("sweep", &[Exit::SomeFailed, Exit::Interrupted]),
    ("sweep run", &[Exit::SomeFailed, Exit::Interrupted]),
    ("sweep reduce", &[Exit::Incomplete, Exit::Interrupted]),
    ("compare", &[Exit::Regression, Exit::Incomplete]),
    (
        "reproduce",
        &[Exit::SomeFailed, Exit::Regression, Exit::Incomplete, Exit::Interrupted],
    ),
    ("judge", &[Exit::SomeFailed, Exit::Interrupted]),
    ("datasets fetch", &[Exit::SomeFailed]),
    ("datasets check", &[Exit::SomeFailed]),
    ("goldens", &[Exit::SomeFailed]),
];

impl Exit {
    /// All, ascending.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::SomeFailed,
        Self::Regression,
        Self::Incomplete,
        Self::Interrupted,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "done, and nothing is wrong",
            Self::Refused => "refused, stopped by an error, or a problem was found",
            Self::Usage => "wrong usage",
            Self::SomeFailed => "some cells, files or checks failed; the others are done",
            Self::Regression => "regression: a run differs where it must not, is worse, or is slower",
            Self::Incomplete => "incomplete: cells are missing",
            Self::Interrupted => "interrupted by Ctrl-C or SIGTERM; what is done is kept",
        }
    }

    /// Commands that may end so; none for those codes that all have.
    pub fn commands(self) -> impl Iterator<Item = &'static str> {
        let ends = move |(name, codes): &(&'static str, &[Self])| codes.contains(&self).then_some(*name);
        FURTHER.iter().filter_map(ends)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The codes of a command, such as `sweep run`, as its help shows them; of all commands where it is empty.
pub fn section(command: &str) -> String {
    let mut text = "Exit codes:".to_owned();
    for exit in Exit::ALL {
        let everywhere = exit.commands().next().is_none();
        if command.is_empty() {
            let commands: Vec<&str> = exit.commands().collect();
            let whose = if everywhere {
                String::new()
            } else {
                format!("\n       ({})", commands.join(", "))
            };
            let _ = write!(text, "\n  {:>3}  {}{whose}", exit.code(), exit.words());
        } else if everywhere || exit.commands().any(|name| name == command) {
            let _ = write!(text, "\n  {:>3}  {}", exit.code(), exit.words());
        }
    }
    text
}

/// Puts the codes below the help of the command and of all below it. `path` is its name without the program's.
pub fn told(mut command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned())
        .collect();
    for name in names {
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path} {name}")
        };
        command = command.mut_subcommand(name, |command| told(command, &inner));
    }
    if !path.is_empty() && command.is_subcommand_required_set() {
        return command;
    }
    let codes = section(path);
    let below = |text: Option<&clap::builder::StyledStr>| text.map(|text| format!("{text}\n\n{codes}"));
    let (short, long) = (below(command.get_after_help()), below(command.get_after_long_help()));
    command = command.after_help(short.unwrap_or(codes));
    match long {
        Some(long) => command.after_long_help(long),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_codes_and_those_of_all() {
        let codes = |command: &str| {
            let text = section(command);
            let numbers = text.lines().filter_map(|line| line.split_whitespace().next());
            numbers.skip(1).map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(codes("tasks"), "0 1 2");
        assert_eq!(codes("compare"), "0 1 2 4 5");
        assert_eq!(codes("sweep run"), "0 1 2 3 130");
        assert!(
            section("").contains("\n       (sweep reduce, compare, reproduce)"),
            "{}",
            section("")
        );
    }
}
