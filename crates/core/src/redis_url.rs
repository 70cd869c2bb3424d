//! What a Redis URL says beside the address, so that nothing else has to guess whether it says it.

/// What a URL may say, and a key of `redis` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// The database's number.
    Db,
    /// The ACL user.
    Username,
    /// The password.
    Password,
}

impl UrlPart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Db, Self::Username, Self::Password];

    /// The key of `redis` that says the same.
    pub fn key(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Username => "username",
            Self::Password => "password",
        }
    }

    /// Its name behind the `?` of a unix socket's URL.
    fn in_query(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Username => "user",
            Self::Password => "pass",
        }
    }
}

/// Whether the URL says this, be it the number 0. One that is no Redis URL says nothing.
pub fn url_says(url: &str, part: UrlPart) -> bool {
    let Some(url) = redis::parse_redis_url(url) else { return false };
    if has_query(url.scheme()) {
        return url.query_pairs().any(|(key, _)| key == part.in_query());
    }
    match part {
        UrlPart::Db => !url.path().trim_matches('/').is_empty(),
        UrlPart::Username => !url.username().is_empty(),
        UrlPart::Password => url.password().is_some(),
    }
}

/// The URL without this, for a key that goes before it.
pub fn url_without(url: &str, part: UrlPart) -> String {
    let Some(mut parsed) = redis::parse_redis_url(url) else { return url.to_owned() };
    if has_query(parsed.scheme()) {
        let kept: Vec<(String, String)> = parsed
            .query_pairs()
            .filter(|(key, _)| key != part.in_query())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        parsed.query_pairs_mut().clear().extend_pairs(kept);
        return parsed.into();
    }
    let done = match part {
        UrlPart::Db => {
            parsed.set_path("");
            Ok(())
        }
        UrlPart::Username => parsed.set_username(""),
        UrlPart::Password => parsed.set_password(None),
    };
    // Refused only where there is no host, and then there is no user either.
    if done.is_ok() { parsed.into() } else { url.to_owned() }
}

fn has_query(scheme: &str) -> bool {
    matches!(scheme, "unix" | "redis+unix" | "valkey+unix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_stands_in_it_and_nothing_else() {
        for (url, expected) in [
            ("redis://h", [false; 3]),
            ("redis://h/", [false; 3]),
            ("redis://h/0", [true, false, false]),
            ("redis://u:p@h", [false, true, true]),
            ("redis://:p@h/3", [true, false, true]),
            ("redis+unix:///run/r.sock", [false; 3]),
            ("redis+unix:///run/r.sock?db=0&pass=p", [true, false, true]),
            ("no url", [false; 3]),
        ] {
            assert_eq!(UrlPart::ALL.map(|part| url_says(url, part)), expected, "{url}");
        }
    }

    #[test]
    fn without_a_part_it_says_the_rest() {
        for (url, part, expected) in [
            ("redis://u:p@h:1/3", UrlPart::Db, "redis://u:p@h:1"),
            ("redis://u:p@h:1/3", UrlPart::Username, "redis://:p@h:1/3"),
            ("redis://u:p@h:1/3", UrlPart::Password, "redis://u@h:1/3"),
            ("redis+unix:///r.sock?db=1&user=u", UrlPart::Db, "redis+unix:///r.sock?user=u"),
        ] {
            assert_eq!(url_without(url, part), expected, "{url}");
        }
    }
}
