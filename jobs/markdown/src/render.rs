//! Markdown to HTML, by pulldown-cmark; and what must not get through when nobody vouches for the author: HTML of
//! their own, and links that run scripts.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Somebody's: raw HTML is shown as text, odd links lead nowhere.
    Nobody,
    /// One's own: everything goes through.
    Author,
}

/// What links and images of strangers may begin with, besides everything without a scheme.
const SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];

/// The HTML of a text; no page around it.
pub(crate) fn html(markdown: &str, trust: Trust) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(markdown, options);
    let mut made = String::with_capacity(markdown.len() * 3 / 2);
    match trust {
        Trust::Author => html::push_html(&mut made, events),
        Trust::Nobody => html::push_html(&mut made, events.map(harmless)),
    }
    made
}

fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: harmless_url(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: harmless_url(dest_url), title, id })
        }
        other => other,
    }
}

fn harmless_url(url: CowStr<'_>) -> CowStr<'_> {
    // Browsers skip control characters and white space within a scheme.
    let skipped = |c: char| c.is_control() || c.is_whitespace();
    let scheme: String = url.chars().take_while(|c| !"/?#".contains(*c)).filter(|c| !skipped(*c)).collect();
    match scheme.split_once(':') {
        Some((scheme, _)) if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => CowStr::Borrowed("#"),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        for (markdown, expected) in [
            ("# Hi\n\n*a* < `b`", "<h1>Hi</h1>\n<p><em>a</em> &lt; <code>b</code></p>\n"),
            (
                "|a|\n|-|\n|1|",
                "<table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td>1</td></tr>\n</tbody></table>\n",
            ),
            ("~~no~~", "<p><del>no</del></p>\n"),
            ("- [x] done", "<ul>\n<li><input disabled=\"\" type=\"checkbox\" checked=\"\"/>\ndone</li>\n</ul>\n"),
            ("", ""),
        ] {
            assert_eq!(html(markdown, Trust::Nobody), expected, "{markdown}");
        }
    }

    #[test]
    fn html_of_strangers_is_shown_not_run() {
        for (markdown, expected) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a <b onclick='x()'>b</b>", "<p>a &lt;b onclick='x()'&gt;b&lt;/b&gt;</p>\n"),
            ("<!-- x -->", "&lt;!-- x --&gt;"),
        ] {
            assert_eq!(html(markdown, Trust::Nobody), expected, "{markdown}");
            assert!(html(markdown, Trust::Author).contains(markdown), "{markdown}");
        }
    }

    #[test]
    fn links_of_strangers_lead_to_pages_only() {
        for (url, allowed) in [
            ("https://example.com/a:b", true),
            ("HTTP://example.com", true),
            ("mailto:a@example.com", true),
            ("/path:x", true),
            ("page?x=a:b", true),
            ("#part:1", true),
            ("javascript:alert(1)", false),
            ("JavaScript:alert(1)", false),
            ("java&#10;script:alert(1)", false),
            ("&#1;javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("vbscript:x", false),
        ] {
            for markdown in [format!("[a](<{url}>)"), format!("![a](<{url}>)")] {
                let made = html(&markdown, Trust::Nobody);
                assert_eq!(!made.contains("=\"#\""), allowed, "{url}: {made}");
                assert!(!html(&markdown, Trust::Author).contains("=\"#\""), "{url}");
            }
        }
        assert!(html("<javascript:alert(1)>", Trust::Nobody).contains("href=\"#\""));
    }
}
