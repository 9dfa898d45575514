//! The tables, as Markdown.

use std::io::{self, Write as _};
use std::time::Duration;

use cache_storage::operation::StorageOp;

use super::operation::Cost;
use super::{Costs, SIZES};

/// The times of bare calls by size.
pub fn print_bare(times: &[[Duration; 2]]) {
    print_header("one object, ms");
    for (name, side) in [("PUT", 0), ("GET", 1)] {
        print_row(name, times.iter().map(|times| format!("{:.2}", ms(times[side]))));
    }
    print("");
}

/// Requests, round trips and price: they do not depend on the size.
pub fn print_requests(costs: &Costs) {
    print("| requests (round trips), $ per million | inline | | blob | |\n|---|---|---:|---|---:|");
    for (operation, by_size) in costs {
        let [inline, blob] = by_size.last().expect("there are sizes").map(|cost| {
            let requests = StorageOp::ALL.into_iter().zip(cost.calls).filter(|(_, calls)| *calls > 0);
            let requests = requests.map(|(operation, calls)| format!("{calls} {}", operation.name().to_uppercase()));
            let requests = requests.collect::<Vec<_>>().join(" + ");
            format!("{requests} ({}) | {:.1}", cost.round_trips, cost.dollars_per_million())
        });
        print(&format!("| {} | {inline} | {blob} |", operation.name()));
    }
    print("");
}

/// What is sent to and from the storage.
pub fn print_bytes(costs: &Costs) {
    print_sides("KiB sent and received, inline / blob", costs, 0, |cost| cost.bytes() as f64 / 1024.0);
}

/// How long it took.
pub fn print_times(costs: &Costs) {
    print_sides("ms, inline / blob", costs, 1, |cost| ms(cost.time));
}

/// On a slower line than this, the additional bytes of the inline side take longer than what it saves.
pub fn print_break_even(costs: &Costs) {
    print_header("MB/s from which inline is faster");
    for (operation, by_size) in costs {
        print_row(operation.name(), by_size.iter().map(|[inline, blob]| break_even(inline, blob)));
    }
    print("");
}

fn break_even(inline: &Cost, blob: &Cost) -> String {
    let more_bytes = inline.bytes().saturating_sub(blob.bytes());
    match blob.time.checked_sub(inline.time) {
        _ if inline.round_trips == blob.round_trips => "–".to_owned(),
        Some(saved) => format!("{:.1}", more_bytes as f64 / 1e6 / saved.as_secs_f64()),
        None => "never".to_owned(),
    }
}

/// A figure of both sides by operation and size.
fn print_sides(title: &str, costs: &Costs, digits: usize, figure: impl Fn(&Cost) -> f64) {
    print_header(title);
    for (operation, by_size) in costs {
        let cell = |[inline, blob]: &[Cost; 2]| format!("{:.digits$} / {:.digits$}", figure(inline), figure(blob));
        print_row(operation.name(), by_size.iter().map(cell));
    }
    print("");
}

fn print_header(title: &str) {
    print_row(title, SIZES.iter().map(|kib| format!("{kib} KiB")));
    print(&format!("|---|{}", "---:|".repeat(SIZES.len())));
}

fn print_row(name: &str, cells: impl Iterator<Item = String>) {
    print(&format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")));
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Prints a line.
pub fn print(line: &str) {
    // The reader may close the pipe early, as `head` does.
    let _ = writeln!(io::stdout(), "{line}");
}
