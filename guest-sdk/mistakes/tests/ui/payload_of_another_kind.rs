use serde::{Deserialize, Serialize};
use stoker_sdk::enqueue::NewJob;
use stoker_sdk::{Context, Failure, JsonSchema, handler};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Invoice {
    cents: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Order {
    id: u64,
}

#[handler(kind = "invoice.send")]
fn send(_: &Context, invoice: Invoice) -> Result<u64, Failure> {
    Ok(invoice.cents)
}

#[handler(kind = "order.pack")]
fn pack(_: &Context, order: Order) -> Result<u64, Failure> {
    Ok(order.id)
}

fn main() {
    let _ = NewJob::of(send::KIND, &Invoice { cents: 1 });
    let _ = NewJob::of("invoice.send", &"anything");
    let _ = NewJob::of(send::KIND, &17);
    let _ = NewJob::of(pack::KIND, &Order { id: 1 });
}
