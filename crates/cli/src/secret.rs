//! Secrets that lie in files: a container's secret, a credential of systemd's. What is in them is never printed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::setting::Origin;

/// Longer than any password or token is; whatever is named by mistake is not read whole.
const LONGEST: u64 = 64 << 10;

/// The secret in the file at `path`, which `origin` names, for the configuration's `key`. One line break at its end is none of it.
///
/// # Errors
/// A fault for the configuration's list where there is no secret to be read.
pub(crate) fn read(path: &Path, key: &str, origin: &Origin) -> Result<String, String> {
    let refused = |why: &str| format!("{key} ({}) cannot be had: {}: {why}", origin.name(), path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(&error.to_string()))?;
    if bytes.len() as u64 > LONGEST {
        return Err(refused(&format!("it is longer than {LONGEST} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
    let secret = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() {
        return Err(refused("it is empty"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(content: &[u8]) -> Result<String, String> {
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-");
        let path = std::env::temp_dir().join(format!("usb-daemon-secret-{}-{thread}", std::process::id()));
        std::fs::write(&path, content).expect("a file");
        let read = read(&path, "redis.password", &Origin::Environment("REDIS_PASSWORD_FILE".into()));
        std::fs::remove_file(&path).expect("removed");
        read
    }

    #[test]
    fn one_line_break_at_the_end_is_none_of_the_secret() {
        for (content, secret) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
            assert_eq!(read_from(content.as_bytes()).as_deref(), Ok(secret));
        }
    }

    #[test]
    fn what_is_no_secret_is_named_and_not_shown() {
        for (content, why) in [
            (b"" as &[u8], "empty"),
            (b"\n", "empty"),
            (b"hush\xff", "not UTF-8"),
            (&vec![b'h'; 70_000], "longer than 65536 bytes"),
        ] {
            let fault = read_from(content).expect_err(why);
            assert!(
                fault.starts_with("redis.password (REDIS_PASSWORD_FILE)") && fault.contains(why),
                "{fault}"
            );
            assert!(!fault.contains("hush"), "{fault}");
        }
        let origin = Origin::Option("--redis-password-file".into());
        let fault = read(Path::new("/nowhere/at/all"), "redis.password", &origin).expect_err("no file");
        assert!(fault.contains("--redis-password-file") && fault.contains("/nowhere/at/all"), "{fault}");
    }
}
