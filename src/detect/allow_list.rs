//! Allow lists: what is known to be popular, shared or the operator's own, and must not be accused.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;
use ipnet::IpNet;

use super::nets::Nets;
use super::observable::Observable;
use super::public_suffix::names_of_owner;

/// Looked up, never iterated over.
#[derive(Debug, Default)]
pub struct AllowList {
    nets: Nets<()>,
    /// These and the names below them with the same owner.
    names: HashSet<Box<str>>,
    /// These alone: names, URLs, hashes and other strings.
    exact: HashSet<Box<str>>,
    /// Text that any value holding it is allowed for.
    parts: Option<AhoCorasick>,
}

impl AllowList {
    /// A name covers the names below it.
    pub fn insert(&mut self, value: Observable) {
        match value {
            Observable::Ip(address) => self.nets.insert(IpNet::from(address), ()),
            Observable::Net(net) => self.nets.insert(net, ()),
            Observable::Domain(name) => drop(self.names.insert(name.into())),
            Observable::Url(text)
            | Observable::Hash(text)
            | Observable::Email(text)
            | Observable::Fingerprint(text) => {
                self.insert_exact(&text);
            }
            Observable::Endpoint(endpoint) => self.insert_exact(&endpoint.to_string()),
        }
    }

    /// A text that is allowed as it stands.
    pub fn insert_exact(&mut self, text: &str) {
        self.exact.insert(text.to_lowercase().into());
    }

    /// Replaces the texts of which every value that holds one is allowed; matched in lower case.
    ///
    /// # Errors
    /// There are too many of them.
    pub fn set_parts(&mut self, parts: &[String]) -> Result<(), String> {
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).filter(|part| !part.is_empty()).collect();
        self.parts = if lower.is_empty() {
            None
        } else {
            Some(
                AhoCorasick::new(&lower)
                    .map_err(|error| format!("the substrings cannot be matched together: {error}"))?,
            )
        };
        Ok(())
    }

    pub fn covers(&self, value: &Observable) -> bool {
        let text = match value {
            Observable::Ip(address) => {
                if self.nets.longest(*address).is_some() {
                    return true;
                }
                &address.to_string()
            }
            Observable::Net(net) => return self.nets.longest(net.network()).is_some(),
            Observable::Domain(name) => {
                if names_of_owner(name).any(|name| self.names.contains(name)) {
                    return true;
                }
                name
            }
            Observable::Endpoint(endpoint) => {
                if self.nets.longest(endpoint.ip()).is_some() {
                    return true;
                }
                &endpoint.to_string()
            }
            Observable::Url(text)
            | Observable::Hash(text)
            | Observable::Email(text)
            | Observable::Fingerprint(text) => text,
        };
        self.exact.contains(text.as_str()) || self.parts.as_ref().is_some_and(|parts| parts.is_match(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_suffix_on_the_list_does_not_allow_its_tenants() {
        let mut allow = AllowList::default();
        allow.insert(Observable::Domain("github.io".into()));
        allow.insert(Observable::Domain("example.com".into()));
        let covers = |name: &str| allow.covers(&Observable::Domain(name.into()));
        assert!(covers("github.io") && covers("www.example.com"));
        assert!(!covers("tenant.github.io") && !covers("notexample.com"));
    }

    #[test]
    fn substrings_and_exact_texts_allow_what_they_say() {
        let mut allow = AllowList::default();
        allow.set_parts(&["Phishing-Training".into()]).unwrap();
        allow.insert_exact("Only.Example.com");
        let covers = |name: &str| allow.covers(&Observable::read(name).unwrap());
        assert!(covers("a.phishing-training.example") && covers("only.example.com"));
        assert!(!covers("x.only.example.com"));
    }
}
