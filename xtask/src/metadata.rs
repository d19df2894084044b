//! What the manifests say, asked from cargo, so that no list is kept by hand.

use serde_json::Value;

use crate::shell::{Failure, cargo};

/// A package of this workspace that is published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) features: Vec<String>,
}

/// The published packages of the workspace, in order of name.
pub(crate) fn published() -> Result<Vec<Package>, Failure> {
    parse(&cargo(["metadata", "--format-version", "1", "--no-deps"]).read()?)
}

fn parse(metadata: &str) -> Result<Vec<Package>, Failure> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| Failure::new(format!("cargo metadata is not JSON: {error}")))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut published: Vec<Package> = packages.filter(|package| is_published(package)).filter_map(package).collect();
    if published.is_empty() {
        return Err(Failure::new("cargo metadata names no published package"));
    }
    published.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(published)
}

/// `publish = false` is an empty list of registries here.
fn is_published(package: &Value) -> bool {
    package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
}

fn package(package: &Value) -> Option<Package> {
    // In an order of their own: that of the object depends on who else uses `serde_json`, and how.
    let mut features: Vec<String> = package["features"].as_object()?.keys().cloned().collect();
    features.sort();
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    Some(Package { name: text("name")?, version: text("version")?, features })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_published_packages_and_all_of_their_features() {
        let metadata = r#"{"packages": [
            {"name": "b", "version": "1.0.0", "publish": null, "features": {"x": [], "default": ["x"]}},
            {"name": "tool", "version": "1.0.0", "publish": [], "features": {}},
            {"name": "a", "version": "1.0.0", "publish": null, "features": {}}
        ]}"#;
        let packages = parse(metadata).unwrap_or_default();
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(packages[1].features, ["default", "x"]);
    }

    #[test]
    fn an_answer_without_packages_is_a_failure() {
        assert!(parse("{}").is_err());
        assert!(parse("no").is_err());
    }
}
