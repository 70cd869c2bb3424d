//! Color: on a terminal, unless `NO_COLOR` is set or the terminal has none.

use std::io::{IsTerminal as _, stderr, stdout};

use terminal_size::{Width, terminal_size_of};

/// What a piece of text is, for the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// It came, or is well.
    Good,
    /// Less than it could be.
    Doubtful,
    /// It left, or failed.
    Bad,
    /// There to be looked up rather than read.
    Faint,
    /// To be seen first.
    Strong,
}

/// Whether there is color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Color,
}

impl Style {
    /// What suits stdout.
    pub(crate) fn of_stdout() -> Self {
        Self::of(stdout().is_terminal(), variable)
    }

    /// What suits stderr.
    pub(crate) fn of_stderr() -> Self {
        Self::of(stderr().is_terminal(), variable)
    }

    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let forbidden = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let has_none = variable("TERM").is_some_and(|term| term == "dumb");
        if is_terminal && !forbidden && !has_none { Self::Color } else { Self::Plain }
    }

    /// `text` in this ink. What is measured must be measured before.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        if self == Self::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => 32,
            Ink::Doubtful => 33,
            Ink::Bad => 31,
            Ink::Faint => 2,
            Ink::Strong => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Columns of the terminal that stdout is.
pub(crate) fn width_of_stdout() -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(stdout())?;
    Some(columns.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_color_on_a_terminal_that_has_some_and_where_nobody_objects() {
        let style = |is_terminal, set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            Style::of(is_terminal, move |name| {
                set.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
            })
        };
        assert_eq!(style(true, &[("TERM", "xterm")]), Style::Color);
        assert_eq!(style(true, &[("NO_COLOR", "")]), Style::Color, "set to nothing is not set");
        assert_eq!(style(true, &[("NO_COLOR", "0")]), Style::Plain, "whatever it says");
        assert_eq!(style(true, &[("TERM", "dumb")]), Style::Plain);
        assert_eq!(style(false, &[("TERM", "xterm")]), Style::Plain);
    }
}
