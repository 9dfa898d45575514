//! Takes the two files of Swagger UI that `/docs` needs out of its archive, and compresses them for the binary.

use std::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::GzEncoder;
use rawzip::ZipArchive;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let archive = ZipArchive::from_slice(SWAGGER_UI_VENDORED)?;
    let mut found = 0;
    for entry in archive.entries() {
        let entry = entry?;
        let path = entry.file_path().try_normalize()?.as_ref().to_owned();
        let Some(name) = FILES.into_iter().find(|name| path.ends_with(&format!("/dist/{name}"))) else { continue };
        let member = archive.get_entry(entry.wayfinder())?;
        let mut bytes = Vec::new();
        DeflateDecoder::new(member.data()).read_to_end(&mut bytes)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        fs::write(Path::new(&out).join(format!("{name}.gz")), gzip.finish()?)?;
        found += 1;
    }
    if found == FILES.len() { Ok(()) } else { Err("the archive of Swagger UI has other files than expected".into()) }
}
