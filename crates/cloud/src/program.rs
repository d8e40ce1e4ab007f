//! Programs that print credentials, where the user allows them.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

const LONGEST_OUTPUT: u64 = 1 << 20;
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// A program to run.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The command line.
    pub command: &'a str,
    /// What the setting that names it is called, for errors.
    pub named: &'a str,
    /// Environment variables beside those of this process.
    pub variables: &'a [(&'a str, &'a str)],
}

/// What a program prints, run without a shell. Errors name the program, not its arguments and not what it printed.
pub async fn output_of(program: Program<'_>) -> Result<Zeroizing<Vec<u8>>, String> {
    let named = program.named;
    let words = split(program.command).ok_or_else(|| format!("the {named} has an open quote"))?;
    let Some((name, arguments)) = words.split_first() else {
        return Err(format!("the {named} is empty"));
    };
    let mut child = tokio::process::Command::new(name)
        .args(arguments)
        .envs(program.variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run the {named} {name}: {error}"))?;
    let mut output = Zeroizing::new(Vec::new());
    let running = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST_OUTPUT).read_to_end(&mut output).await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(LONGEST_RUN, running).await {
        Ok(Ok(status)) if status.success() => Ok(output),
        Ok(Ok(status)) => Err(format!("the {named} {name} failed ({status})")),
        Ok(Err(error)) => Err(format!("the {named} {name} broke off: {error}")),
        Err(_) => Err(format!("the {named} {name} ran too long")),
    }
}

/// Words of a command line, with single and double quotes; none when a quote stays open.
fn split(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_at_blanks_outside_of_quotes() {
        let words = |text: &str| split(text).map(|words| words.join("|"));
        assert_eq!(words(r#"a "b c" 'd "e' f"g"h "" "#).unwrap(), r#"a|b c|d "e|fgh|"#);
        assert_eq!((words(""), words("a 'b")), (Some(String::new()), None));
    }
}
