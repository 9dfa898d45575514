//! Compresses the files in `assets/`, and names them after a hash of all of them, so that they may be cached for good.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What the page writes in place of the hash.
const BUILD: &str = "BUILD";
/// How hooks name the module beside them; a browser resolves paths only.
const BARE_IMPORT: &str = "from\"preact\"";
const PATH_IMPORT: &str = "from\"./preact.mjs\"";
/// Files that no browser asks for.
const UNSERVED: [&str; 2] = ["README.md", "LICENSE"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=assets");
    let out = env::var("OUT_DIR")?;
    let mut files = BTreeMap::new();
    collect(Path::new("assets"), "", &mut files)?;
    let page = files.remove("index.html").ok_or("assets/index.html is missing")?;
    let mut hasher = DefaultHasher::new();
    (&page, &files).hash(&mut hasher);
    let build = format!("{:016x}", hasher.finish());
    let page = String::from_utf8(page)?.replace(BUILD, &build);
    fs::write(Path::new(&out).join("index.html.gz"), gzip(page.as_bytes())?)?;

    let mut table = format!("pub const BUILD: &str = \"{build}\";\npub static FILES: &[File] = &[\n");
    for (index, (name, bytes)) in files.iter().enumerate() {
        fs::write(Path::new(&out).join(format!("{index}.gz")), gzip(&ready(name, bytes)?)?)?;
        writeln!(
            table,
            "    File {{ name: \"{name}\", gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{index}.gz\")) }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("files.rs"), table)?;
    Ok(())
}

/// Reads the files below a folder, by their path.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if !UNSERVED.iter().any(|unserved| name.contains(unserved)) {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// A file as browsers can use it: our own without its comments, which are an eighth of all bytes; the vendored ones as they were
/// published.
fn ready(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    if name.ends_with(".js") {
        return Ok(without_comments(std::str::from_utf8(bytes)?).into_bytes());
    }
    if !name.starts_with("vendor/") {
        return Ok(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes)?.replace(BARE_IMPORT, PATH_IMPORT);
    let code = text.lines().filter(|line| !line.starts_with("//# sourceMappingURL=")).collect::<Vec<_>>();
    Ok(code.join("\n").into_bytes())
}

/// A script without the lines that are nothing but a comment. A comment behind code stays: telling it from a text takes a parser.
fn without_comments(script: &str) -> String {
    let mut code = String::with_capacity(script.len());
    let mut in_block = false;
    for line in script.lines() {
        let text = line.trim();
        in_block |= text.starts_with("/**");
        if !in_block && !text.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
        in_block &= !text.ends_with("*/");
    }
    code
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
