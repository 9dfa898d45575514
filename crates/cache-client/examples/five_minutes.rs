//! The five minutes of `docs/client.md`, which prints this program.

#![allow(clippy::print_stdout, reason = "it is a program, and shows what it does")]

use mgraph_cache_client::{Client, Error, Selector, Strategy};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let cache = Client::from_env()?.namespace("demo")?;

    let profile = json!({"name": "Ada", "score": 2});
    let stored =
        cache.store_json(&profile).strategy(Strategy::KeyBased).key("users/ada").file_id("profile").send().await?;
    println!("stored as {}, version {}", stored.cache_id, stored.version);

    match cache.get(Selector::key(Strategy::KeyBased, "users/ada", "profile")).await? {
        Some(found) => println!("found {}", found.text()?),
        None => println!("a miss is no error"),
    }
    cache.entry(stored.cache_id.as_str()).delete().await?;
    Ok(())
}
