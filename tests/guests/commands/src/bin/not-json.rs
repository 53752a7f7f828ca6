//! Prints text that is no JSON: `invalid_output`, unless its kind says `stdout: text`.

fn main() {
    println!("this is not JSON");
}
