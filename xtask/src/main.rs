//! `cargo xtask`: everything one does with this repository beyond plain cargo, each from an empty target directory.
//!
//! Owns no product code. Every command says what it is doing, and what to change when it cannot.

use std::path::Path;
use std::process::ExitCode;

mod bench;
mod cargo;
mod check;
mod compilers;
mod demo;
mod guests;
mod host;
mod hostile;
mod projects;
mod setup;
mod signalr;
mod smtp;
mod test;
mod third_party;
mod workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--once]         build everything, run two handlers on real input, show what came of it, stay up until Ctrl-C
                        (--once, or without a terminal: end after showing it)
  test [--short]        every test, from an empty target directory
                        (--short: only those that need neither guests nor a running host)
  check                 formatting, clippy and documentation, warnings being errors
  crash [--rounds N]    kill the host under load, N times (default 50); nothing acknowledged may be lost
  bench [-- ARGUMENTS]  release build against the floors of this machine (ARGUMENTS: see `cargo xtask bench -- --help`)
  hostile               all attacks of the tests on a release build; what others notice of them is held to its bound
  fuzz-uploads [--modules N]   N modules by wasm-smith, and damaged ones (default 10,000); none may harm the host
  fuzz-api [--examples N]      N requests to each operation (default 100), made by schemathesis from the API's description
                        (all three: --binary FILE, last, to attack this `stoker` instead of building one)
  guests                build all guests into target/guests; those of other languages whose compiler is there
                        (STOKER_ALL_LANGUAGES=1, also for `test`: install absent compilers, fail without)
  third-party           build the unmodified third-party programs into target/guests";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (words, binary) = match words.as_slice() {
        [attack @ ("hostile" | "fuzz-uploads" | "fuzz-api"), flags @ .., "--binary", file] => {
            ([&[*attack][..], flags].concat(), Some(Path::new(*file)))
        }
        all => (all.to_vec(), None),
    };
    let result = match words.as_slice() {
        ["demo"] => demo::run(demo::Stay::WhileOnTerminal),
        ["demo", "--once"] => demo::run(demo::Stay::Never),
        ["test"] => test::run_tests(test::Extent::Everything),
        ["test", "--short"] => test::run_tests(test::Extent::Short),
        ["check"] => check::run_all(),
        ["crash"] => test::crash(test::CRASH_ROUNDS_DEFAULT),
        ["crash", "--rounds", rounds] => number("--rounds", rounds).and_then(test::crash),
        ["bench"] => bench::run_with(&[]),
        ["bench", "--", rest @ ..] | ["bench", rest @ ..] => bench::run_with(rest),
        ["hostile"] => hostile::attack(binary),
        ["fuzz-uploads"] => hostile::fuzz_uploads(hostile::MODULES_DEFAULT, binary),
        ["fuzz-uploads", "--modules", modules] => {
            number("--modules", modules).and_then(|modules| hostile::fuzz_uploads(modules, binary))
        }
        ["fuzz-api"] => hostile::fuzz_api(hostile::EXAMPLES_DEFAULT, binary),
        ["fuzz-api", "--examples", examples] => {
            number("--examples", examples).and_then(|examples| hostile::fuzz_api(examples, binary))
        }
        ["guests"] => guests::build_all().map(|_said_already| ()),
        ["third-party"] => third_party::build(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn number(flag: &str, text: &str) -> anyhow::Result<u32> {
    text.parse().map_err(|_| anyhow::anyhow!("{flag} takes a number, not {text:?}"))
}
