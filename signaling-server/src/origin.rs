//! Which web pages may open sockets. Browsers name the page's site in `Origin` and let no page change it (RFC 6454 section
//! 7); other programs send none. Without this, any page that somebody happens to look at could speak to a server in their
//! network.

use axum::http::{HeaderMap, HeaderValue, header};

/// Whether one with these headers may open a socket. `site` is the server's own name and port if it has one, `allowed` other
/// sites.
pub(crate) fn is_allowed(headers: &HeaderMap, site: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, place)) = origin.split_once("://") else { return false };
    match site {
        Some(site) => scheme == "https" && is_same(scheme, place, site),
        // A server without a name, or behind a proxy, takes its name from whom the browser asked.
        None => headers.get(header::HOST).is_some_and(|host| names(scheme, place, host)),
    }
}

fn names(scheme: &str, place: &str, host: &HeaderValue) -> bool {
    matches!(scheme, "http" | "https") && host.to_str().is_ok_and(|host| is_same(scheme, place, host))
}

/// Whether two places are one; the scheme's own port may be written or not.
fn is_same(scheme: &str, one: &str, other: &str) -> bool {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let bare = |place: &str| place.strip_suffix(usual).unwrap_or(place).to_ascii_lowercase();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let origin = origin.map(|origin| (header::ORIGIN, origin.parse().unwrap()));
        origin.into_iter().chain([(header::HOST, host.parse().unwrap())]).collect()
    }

    #[test]
    fn programs_and_own_pages_and_named_sites_are_allowed() {
        let named = ["https://example.org".to_owned()];
        for (origin, host, site, allowed) in [
            (None, "192.0.2.1", None, true),
            (Some("http://192.0.2.1:7420"), "192.0.2.1:7420", None, true),
            (Some("https://call.example.org"), "call.example.org", None, true),
            (Some("https://call.example.org"), "call.example.org:443", None, true),
            (Some("http://192.0.2.1"), "192.0.2.1:7420", None, false),
            (Some("https://evil.example"), "192.0.2.1:7420", None, false),
            (Some("null"), "192.0.2.1:7420", None, false),
            (Some("https://example.org"), "192.0.2.1:7420", None, true),
            (Some("https://sub.example.org"), "192.0.2.1:7420", None, false),
            (Some("https://Call.example.org"), "whatever", Some("call.example.org"), true),
            (Some("http://call.example.org"), "call.example.org", Some("call.example.org"), false),
            // Its own name in DNS, pointed here.
            (Some("https://evil.example"), "evil.example", Some("call.example.org"), false),
            (Some("https://call.example.org:8443"), "", Some("call.example.org:8443"), true),
            (Some("https://call.example.org"), "", Some("call.example.org:8443"), false),
        ] {
            assert_eq!(is_allowed(&headers(origin, host), site, &named), allowed, "{origin:?} {host} {site:?}");
        }
    }
}
