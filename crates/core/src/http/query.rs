//! What stands behind the `?` of an address.

use axum::http::StatusCode;

use super::answer::Refusal;
use crate::error::shown;

/// The values of these keys, in their order. Another key, or one that comes twice, is refused by name.
pub(super) fn read<const N: usize>(
    query: Option<&str>,
    keys: [&str; N],
) -> Result<[Option<String>; N], Refusal> {
    let mut values = [const { None }; N];
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(at) = keys.iter().position(|known| *known == key) else {
            let known = keys.join(", ");
            return Err(bad(format!("{} is not asked for here: there is {known}", shown(&key))));
        };
        if values[at].replace(value.into_owned()).is_some() {
            return Err(bad(format!("{key} is there twice")));
        }
    }
    Ok(values)
}

/// A value that cannot be.
pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ERR_USB_HTTP_QUERY", message)
}
