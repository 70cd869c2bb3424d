//! The page and its files: part of the program, and the same for everybody.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";

/// Path, type and content.
const FILES: [(&str, &str, &str); 1] = [("/", HTML, include_str!("page/index.html"))];

/// Whether this path is one of the page's files.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

/// Each file's path and answer.
pub(super) fn files()
-> impl Iterator<Item = (&'static str, impl Fn() -> std::future::Ready<Response> + Clone)> {
    FILES.into_iter().map(|(path, kind, content)| {
        let answer = move || {
            // Another version of the daemon has other files under the same names.
            std::future::ready(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], content).into_response())
        };
        (path, answer)
    })
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/page");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .map(|name| if name == "index.html" { "/".to_owned() } else { format!("/{name}") })
            .collect();
        names.sort();
        let mut served: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
        served.sort_unstable();
        assert_eq!(served, names);
    }
}
