//! One page for a browser: no scripts, nothing from elsewhere, and a policy that says so.

use super::{Line, shown};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:45rem;margin:2rem auto;padding:0 1rem}\
h3{font-size:.9rem;text-align:center;margin:2rem 0 1rem;opacity:.7}\
article{margin:.5rem 0;padding:.5rem .75rem;border-radius:.75rem;width:fit-content;max-width:85%;background:#8882}\
article.own{margin-left:auto;background:#48f3}\
header{font-size:.8rem;opacity:.75}\
p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}\
small{opacity:.75}";

pub(super) const END: &str = "</main>\n</body>\n</html>\n";

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|character| *character != '\r').map(shown) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn begin(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )
}

pub(super) fn chat(with: &str) -> String {
    format!("<h2>{}</h2>\n", escaped(with))
}

pub(super) fn day(day: &str) -> String {
    format!("<h3><time datetime=\"{day}\">{day}</time></h3>\n")
}

pub(super) fn line(line: &Line, time: &str) -> String {
    let class = if line.own { " class=\"own\"" } else { "" };
    let from = escaped(&line.from);
    let at = escaped(&line.at);
    let mut html = format!("<article{class}><header>{from} <time datetime=\"{at}\">{time}</time></header>");
    if !line.text.is_empty() {
        html.push_str(&format!("<p dir=\"auto\">{}</p>", escaped(&line.text)));
    }
    if let Some(file) = &line.file {
        let name = escaped(&file.name);
        html.push_str(&match &file.href {
            Some(href) => format!("<p><a href=\"{}\">{name}</a></p>", escaped(href)),
            None => format!("<p>{name}</p>"),
        });
    }
    if let Some(note) = &line.note {
        html.push_str(&format!("<small>{}</small>", escaped(note)));
    }
    html.push_str("</article>\n");
    html
}
