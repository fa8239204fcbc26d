//! What values a field has.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Severity,
    Verdict,
    Category,
    Outcome,
    Number,
    Address,
    Technique,
    Text,
}

impl Kind {
    /// `<` and `>` mean something.
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Severity | Self::Verdict | Self::Number)
    }

    /// `~` means something.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Address | Self::Technique | Self::Text)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Severity => "a severity",
            Self::Verdict => "a decision",
            Self::Category => "a category",
            Self::Outcome => "an outcome",
            Self::Number => "a number",
            Self::Address => "an address",
            Self::Technique => "a technique",
            Self::Text => "a text",
        }
    }

    /// What its values look like.
    pub fn examples(self) -> &'static str {
        match self {
            Self::Severity => "INFO, LOW, MEDIUM, HIGH or CRITICAL",
            Self::Verdict => "benign, suspicious or malicious",
            Self::Category => "AUTH, NETWORK, SYSTEM, APP, INTEL, CRYPTO or OPERATOR",
            Self::Outcome => "success or failure",
            Self::Number => "like 51 or 0.75",
            Self::Address => "like 203.0.113.7, or with `in` a network like `in 203.0.113.0/24`",
            Self::Technique => "like T1110 or T1110.001",
            Self::Text => "like root or \"two words\"",
        }
    }

    /// Its operators.
    pub fn operators(self) -> Vec<&'static str> {
        let ordered = ["<", "<=", ">", ">="].into_iter().filter(|_| self.is_ordered());
        let text = ["~", "!~"].into_iter().filter(|_| self.is_text());
        ["=", "!=", "in"].into_iter().chain(ordered).chain(text).collect()
    }

    /// All of its values, where they are few.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Severity => &["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"],
            Self::Verdict => &["benign", "suspicious", "malicious"],
            Self::Category => &["AUTH", "NETWORK", "SYSTEM", "APP", "INTEL", "CRYPTO", "OPERATOR"],
            Self::Outcome => &["success", "failure"],
            Self::Number | Self::Address | Self::Technique | Self::Text => &[],
        }
    }
}
