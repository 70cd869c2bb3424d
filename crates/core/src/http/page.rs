//! The page and its files: part of the program, and the same for everybody. They are packed until somebody asks for one.

use std::io::Read as _;
use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use flate2::read::DeflateDecoder;

/// Path and length of each, in the order in which `build.rs` has packed them.
const FILES: &[(&str, usize)] = &include!(concat!(env!("OUT_DIR"), "/page.rs"));
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.deflate"));

/// Whether this path is one of the page's files.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(known, _)| *known == path)
}

/// Each file's path and answer.
pub(super) fn files()
-> impl Iterator<Item = (&'static str, impl Fn() -> std::future::Ready<Response> + Clone)> {
    let mut end = 0;
    FILES.iter().map(move |(path, length)| {
        let begin = end;
        end += length;
        let answer = move || {
            let content = unpacked().slice(begin..end);
            // Another version of the daemon has other files under the same names.
            let headers = [(CONTENT_TYPE, kind(path)), (CACHE_CONTROL, "no-cache")];
            std::future::ready((headers, content).into_response())
        };
        (*path, answer)
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

/// All files, one behind the other.
fn unpacked() -> &'static Bytes {
    static UNPACKED: OnceLock<Bytes> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let mut all = Vec::new();
        // What the compiler has packed can be unpacked: a test does. Of anything else there would be as many zeros.
        let _ = DeflateDecoder::new(PACKED).read_to_end(&mut all);
        all.resize(FILES.iter().map(|(_, length)| length).sum(), 0);
        all.into()
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::files;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/page");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .map(|name| if name == "index.html" { "/".to_owned() } else { format!("/{name}") })
            .collect();
        names.sort();
        let mut served: Vec<&str> = files().map(|(path, _)| path).collect();
        served.sort_unstable();
        assert_eq!(served, names);
    }

    #[tokio::test]
    async fn each_is_served_as_it_is() {
        for (path, answer) in files() {
            let name = if path == "/" { "/index.html" } else { path };
            let file = std::fs::read(format!("{}/src/http/page{name}", env!("CARGO_MANIFEST_DIR")));
            let served = to_bytes(answer().await.into_body(), usize::MAX).await.expect("a body");
            assert!(served == file.expect(name), "{path}");
        }
    }
}
