//! The page and its files: part of the program, and the same for everybody.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, type and content.
const FILES: [(&str, &str, &str); 20] = [
    ("/advice.js", SCRIPT, include_str!("page/advice.js")),
    ("/announcer.js", SCRIPT, include_str!("page/announcer.js")),
    ("/charts.js", SCRIPT, include_str!("page/charts.js")),
    ("/daemon.js", SCRIPT, include_str!("page/daemon.js")),
    ("/dashboard.css", CSS, include_str!("page/dashboard.css")),
    ("/dashboard.js", SCRIPT, include_str!("page/dashboard.js")),
    ("/detail.js", SCRIPT, include_str!("page/detail.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/events.js", SCRIPT, include_str!("page/events.js")),
    ("/figures.js", SCRIPT, include_str!("page/figures.js")),
    ("/", HTML, include_str!("page/index.html")),
    ("/link.js", SCRIPT, include_str!("page/link.js")),
    ("/model.js", SCRIPT, include_str!("page/model.js")),
    ("/reasons.js", SCRIPT, include_str!("page/reasons.js")),
    ("/row.js", SCRIPT, include_str!("page/row.js")),
    ("/sse.js", SCRIPT, include_str!("page/sse.js")),
    ("/status.js", SCRIPT, include_str!("page/status.js")),
    ("/text.js", SCRIPT, include_str!("page/text.js")),
    ("/tree.js", SCRIPT, include_str!("page/tree.js")),
    ("/why.js", SCRIPT, include_str!("page/why.js")),
];

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
