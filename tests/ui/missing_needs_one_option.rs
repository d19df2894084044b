use idempotently::idempotent;

#[idempotent(key = (tenant, header), missing = run)]
fn tuple(tenant: u8, header: Option<String>) -> Option<String> {
    let _ = tenant;
    header
}

#[idempotent(key = "{tenant}:{header}", missing = reject)]
fn literal(tenant: u8, header: String) -> Result<String, idempotently::Error> {
    let _ = tenant;
    Ok(header)
}

fn main() {}
