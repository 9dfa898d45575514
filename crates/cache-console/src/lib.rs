//! The web console: a page and its files, compressed by the build script. Who serves them is `cache-lambda`'s affair.
//!
//! The sources are in `assets/`: `app.js` is the page, `views/` has a file for each view, `components/` what views share,
//! `lib/` what needs no page, `vendor/` the libraries as they were published. There is no other build than this one.

/// A file of the console.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its path, as the page names it below the folder of this build.
    pub name: &'static str,
    /// Its bytes, compressed with gzip.
    pub gzip: &'static [u8],
}

mod files {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// The hash of all files: another one for other files.
pub const BUILD: &str = files::BUILD;

/// The page.
pub static PAGE: File = File { name: "index.html", gzip: include_bytes!(concat!(env!("OUT_DIR"), "/index.html.gz")) };

/// Every file but the page.
pub fn files() -> &'static [File] {
    files::FILES
}

/// The file with this name.
pub fn file(name: &str) -> Option<&'static File> {
    files::FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Its media type.
    pub fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("html") => "text/html; charset=utf-8",
            _ => "application/octet-stream",
        }
    }
}
