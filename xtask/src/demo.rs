//! `demo`: from a clean clone to two handlers run on real input, with what they returned and what they cost.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cargo::{cargo, run as run_command, say};
use crate::host::Host;
use crate::workspace::{self, Workspace};
use crate::{guests, setup};

/// The longer side of the demo's thumbnail, pixels.
const THUMBNAIL_PIXELS: u32 = 160;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What happens after everything was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// The host stays up for people to try it.
    WhileOnTerminal,
    /// It is stopped.
    Never,
}

pub(crate) fn run(stay: Stay) -> anyhow::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    setup::c_compiler()?;
    let workspace = Workspace::load()?;
    say("building the example handlers for wasm");
    guests::build_only(&["hello", "thumbnail"])?;
    let binary = workspace.target_dir.join("release/stoker");
    if !binary.is_file() {
        say("building the host in release mode; the first time this takes some minutes");
    }
    run_command(&mut cargo(["build", "--release", "--package", "stoker"]))?;

    // From here on there is something to clean up.
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGTERM, Arc::clone(&interrupted))?;
    let mut host = Host::start(&binary)?;
    say(&format!("the host listens on {}, its SQLite file is in {}", host.url(), host.data_dir().display()));
    for name in ["hello", "thumbnail"] {
        upload(&host, &workspace, name)?;
    }
    hello(&host)?;
    thumbnail(&host, &workspace)?;
    show_addresses(&host);
    if stay == Stay::WhileOnTerminal && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        println!("\nThe host stays up; Ctrl-C stops it and removes its data.");
        while !interrupted.load(Ordering::Relaxed) {
            if let Some(status) = host.ended()? {
                anyhow::bail!("the host ended ({status})");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    say("stopping the host");
    host.stop()
}

fn upload(host: &Host, workspace: &Workspace, name: &str) -> anyhow::Result<()> {
    let file = workspace.guests_dir().join(format!("{name}.wasm"));
    let wasm = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let module = host.upload(name, &wasm)?;
    println!("\nUploaded {name}: {} bytes, {}", wasm.len(), module["digest"].as_str().unwrap_or_default());
    println!("  serves {}, compiled in {} ms", module["kinds"], module["compile_ms"]);
    Ok(())
}

fn hello(host: &Host) -> anyhow::Result<()> {
    let job = host.run_job(&json!({"kind": "hello", "payload": {"name": "Ada"}}))?;
    succeeded(&job)?;
    println!("\nhello {{\"name\": \"Ada\"}}\n  → {}", job["output"]);
    show_receipt(&job);
    Ok(())
}

fn thumbnail(host: &Host, workspace: &Workspace) -> anyhow::Result<()> {
    let photo = photo(&workspace::root().join("jobs/thumbnail"))
        .context("no picture (.jpg or .png) below jobs/thumbnail to make a thumbnail of")?;
    let image = std::fs::read(&photo)?;
    let payload =
        json!({"image": STANDARD.encode(&image), "max_width": THUMBNAIL_PIXELS, "max_height": THUMBNAIL_PIXELS});
    let job = host.run_job(&json!({"kind": "thumbnail", "payload": payload}))?;
    succeeded(&job)?;
    let output = &job["output"];
    let small = STANDARD.decode(output["image"].as_str().context("no image in the output")?)?;
    let format = output["format"].as_str().filter(|format| *format == "png").unwrap_or("jpg");
    let folder = workspace.target_dir.join("demo");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("thumbnail.{format}"));
    std::fs::write(&file, &small)?;
    println!("\nthumbnail of {} ({} bytes)", photo.display(), image.len());
    println!("  → {} × {} pixels, {} bytes: {}", output["width"], output["height"], small.len(), file.display());
    show_receipt(&job);
    Ok(())
}

/// The first picture below a folder, in the order of names.
fn photo(folder: &Path) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().find_map(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            _ if path.is_dir() => photo(path),
            "jpg" | "jpeg" | "png" => Some(path.clone()),
            _ => None,
        }
    })
}

fn succeeded(job: &Value) -> anyhow::Result<()> {
    anyhow::ensure!(job["state"] == "succeeded", "the job did not succeed: {job:#}");
    Ok(())
}

fn show_receipt(job: &Value) {
    let receipt = &job["receipt"];
    println!(
        "  receipt of {}: waited {} µs, instantiated in {} µs, ran {} µs, fuel {}, peak memory {} bytes",
        job["id"].as_str().unwrap_or_default(),
        receipt["queue_wait_us"],
        receipt["instantiate_us"],
        receipt["run_us"],
        receipt["fuel_used"],
        receipt["memory_peak_bytes"],
    );
}

fn show_addresses(host: &Host) {
    let url = host.url();
    println!("\nThe dashboard:    {url}/dashboard");
    println!("The API's pages:  {url}/docs   {url}/openapi.json   {url}/metrics");
    println!("The jobs so far:  curl {url}/v1/jobs");
    println!(
        "One more:         curl {url}/v1/jobs -H 'content-type: application/json' -H 'prefer: wait=10' \\\n                    -d '{{\"kind\": \"hello\", \"payload\": {{\"name\": \"you\"}}}}'"
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_picture_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(photo(folder.path()), None);
        std::fs::create_dir(folder.path().join("testdata")).unwrap();
        for file in ["README.md", "testdata/b.png", "testdata/a.jpg"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        assert_eq!(photo(folder.path()), Some(folder.path().join("testdata/a.jpg")));
    }
}
