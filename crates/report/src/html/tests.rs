use yagura_content::{Language, Text};
use yagura_model::{Cloud, Scope, Severity};
use yagura_posture::{
    CloudScore, ControlCounts, Hundredths, SecureScore, StandardCompliance, control_score, overall_percentage,
    scope_score,
};

use super::style::STYLE;
use super::*;

const LANGUAGES: [Language; 2] = [Language::English, Language::Japanese];

fn secure_score(scope: &str, title: &str, healthy: u64) -> SecureScore {
    let counts = ControlCounts { healthy, unhealthy: 10 - healthy, not_applicable: 1, unknown: 2, inferred: 4 };
    let unknown = ControlCounts { unknown: 3, ..ControlCounts::default() };
    let controls = vec![
        control_score("enable-mfa", "34a42fb3", title, 10, counts),
        control_score("apply-system-updates", "61702b76", "Apply system updates", 6, unknown),
        control_score("implement-security-best-practices", "76763537", "Implement best practices", 0, counts),
    ];
    let scopes = vec![
        scope_score(Scope::account(Cloud::Azure, scope), controls.clone()),
        scope_score(Scope::account(Cloud::Aws, "111122223333"), controls[..1].to_vec()),
        scope_score(Scope::account(Cloud::Gcp, "unseen"), controls[1..2].to_vec()),
    ];
    let clouds = scopes.iter().map(|own| CloudScore {
        cloud: own.cloud,
        percentage: overall_percentage([own]),
        weight: own.weight,
    });
    SecureScore { clouds: clouds.collect(), percentage: overall_percentage(&scopes), scopes }
}

fn standard(title: &str) -> StandardCompliance {
    StandardCompliance {
        standard: "cis-azure-2.0.0".to_owned(),
        title: Text { en: title.to_owned(), ja: None },
        passed: 12,
        failed: 5,
        unknown: 3,
        attested: 2,
        manual: 40,
        not_applicable: 1,
        percentage: Some(0.6),
        adjusted_percentage: Some(0.65),
        inferred_share: Some(0.125),
        controls: Vec::new(),
    }
}

/// A page whose outside texts are all `text`, or ordinary ones when it is empty.
fn page(language: Language, text: &str) -> String {
    let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    let (scope, title) = (or("/subscriptions/s1"), or("Enable MFA"));
    let score = ScoreDocument::new(&secure_score(&scope, &title, 7), &secure_score(&scope, &title, 8));
    let (top_title, why, key) = (or("Accounts should have MFA"), or("A password alone can be stolen."), or("key-1"));
    let compliance = [standard(&or("CIS Azure 2.0.0"))];
    let digest = or("0123abcd");
    let one = |severity, gain| TopRecommendation {
        title: &top_title,
        why: &why,
        key: &key,
        cloud: Cloud::Azure,
        severity,
        unhealthy: 3,
        applicable: 1200,
        gain,
    };
    render(&ReportData {
        language,
        at: "2025-11-24T08:40:12.5Z".parse().unwrap(),
        sources: vec![or("export/azure")],
        content_digest: &digest,
        score: &score,
        inventory: vec![CloudInventory { cloud: Cloud::Azure, accounts: 1, resources: 12345, without_rules: 67 }],
        statuses: [700, 300, 45, 1200],
        top: vec![one(Severity::High, Some(0.0312)), one(Severity::Low, None)],
        more_recommendations: 1,
        compliance: &compliance,
        gaps: vec![
            Gap { what: or("AWS::S3::Bucket"), place: or("111122223333"), cause: or("never listed"), assessments: 45 },
            Gap { what: or("-"), place: or("broken.json:3"), cause: or("not JSON"), assessments: 0 },
        ],
        exempted: 4,
    })
}

/// A page of an estate in which nothing was seen.
fn empty_page(language: Language) -> String {
    let nothing = SecureScore { scopes: Vec::new(), clouds: Vec::new(), percentage: None };
    let score = ScoreDocument::new(&nothing, &nothing);
    render(&ReportData {
        language,
        at: "2025-11-24T08:40:12Z".parse().unwrap(),
        sources: Vec::new(),
        content_digest: "",
        score: &score,
        inventory: Vec::new(),
        statuses: [0; 4],
        top: Vec::new(),
        more_recommendations: 0,
        compliance: &[],
        gaps: Vec::new(),
        exempted: 0,
    })
}

fn render(data: &ReportData<'_>) -> String {
    let mut out = Vec::new();
    html(&mut out, data).unwrap();
    String::from_utf8(out).unwrap()
}

/// Names of the elements that are opened, in order.
fn elements(page: &str) -> Vec<&str> {
    let tags = page.split('<').skip(1).filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()));
    tags.map(|tag| tag.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or_default()).collect()
}

#[test]
fn the_page_is_as_recorded() {
    let page = page(Language::English, "").replace(STYLE, "/* style */\n");
    insta::assert_snapshot!(page.replace(concat!("Yagura ", env!("CARGO_PKG_VERSION")), "Yagura (version)"));
}

#[test]
fn hostile_text_is_only_text() {
    let hostile = format!(
        "</title></style></script><script>alert(\"1\")</script><img src=x onerror='x()'>&lt;&amp \u{202e}evil\u{202c} \
         \u{200f}\u{5d0} \0\u{1b} ]]> --> {}",
        "x".repeat(4096)
    );
    for language in LANGUAGES {
        let page = page(language, &hostile);
        for raw in [
            "<script",
            "</script",
            "<img",
            "alert(\"",
            "onerror='",
            "&amp ",
            "\u{202e}",
            "\u{202c}",
            "\u{200f}",
            "\0",
            "\u{1b}",
        ] {
            assert!(!page.contains(raw), "{raw:?} in {language:?}");
        }
        assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"));
        assert!(page.contains("&amp;lt;&amp;amp [U+202E]evil[U+202C] &#x200F;\u{5d0} \u{fffd}\u{fffd}"));
        assert_eq!(elements(&page), elements(&self::page(language, "")));
    }
}

#[test]
fn no_score_reads_not_available_and_never_as_a_number() {
    for (language, words) in [(Language::English, "not available"), (Language::Japanese, "算出不可")] {
        let page = empty_page(language);
        let body = page.split_once("<body>").unwrap().1;
        let hero = body.split_once("<div class=\"hero\">").unwrap().1.split_once("</dl>").unwrap().0;
        // The gauge in words and in its middle, and both figures.
        assert_eq!(hero.matches(words).count(), 5, "{hero}");
        assert_eq!(hero.matches('%').count(), 2, "only the ends of the scale: {hero}");
        assert!(!hero.contains("stroke-dasharray"));
    }
    let unseen = page(Language::English, "");
    let row = unseen.split_once("<bdi>unseen</bdi>").unwrap().1.split_once("</tr>").unwrap().0;
    assert_eq!(row.matches("not available").count(), 5, "{row}");
    assert!(!row.contains('%'), "{row}");
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for language in LANGUAGES {
        let page = page(language, "");
        for forbidden in [
            "<script",
            "<link",
            "<iframe",
            "<object",
            "src=",
            "href=",
            "@import",
            "url(",
            "javascript:",
            "http:",
            "https:",
        ] {
            assert!(!page.contains(forbidden), "{forbidden} in {language:?}");
        }
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""));
    }
}

#[test]
fn elements_are_closed_and_headings_are_in_order() {
    const VOID: [&str; 1] = ["meta"];
    for page in LANGUAGES.into_iter().flat_map(|language| [page(language, ""), empty_page(language)]) {
        let (mut open, mut level) = (Vec::new(), 0);
        for tag in page.split('<').skip(2) {
            let name = tag.split(|c: char| c.is_whitespace() || c == '>').next().unwrap();
            if let Some(closed) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed));
                continue;
            }
            if let Some(heading @ 1..) = name.strip_prefix('h').and_then(|rest| rest.parse::<u32>().ok()) {
                assert!(heading <= level + 1, "h{heading} after h{level}");
                level = heading;
            }
            let empty = tag.split('>').next().unwrap().ends_with('/');
            if !empty && !VOID.contains(&name) {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn a_long_table_keeps_its_rest_behind_a_line_that_says_so() {
    let scope = |number: usize| scope_score(Scope::account(Cloud::Aws, &format!("scope-{number}.")), Vec::new());
    let scores = SecureScore { scopes: (0..40).map(scope).collect(), clouds: Vec::new(), percentage: None };
    let score = ScoreDocument::new(&scores, &scores);
    let page = render(&ReportData {
        language: Language::English,
        at: "2025-11-24T08:40:12Z".parse().unwrap(),
        sources: Vec::new(),
        content_digest: "",
        score: &score,
        inventory: Vec::new(),
        statuses: [0; 4],
        top: Vec::new(),
        more_recommendations: 0,
        compliance: &[],
        gaps: Vec::new(),
        exempted: 0,
    });
    let (shown, rest) = page.split_once("<summary>15 more</summary>").unwrap();
    assert!(shown.contains("scope-24.") && !shown.contains("scope-25."));
    assert!(rest.contains("scope-25.") && rest.contains("scope-39."));
}

#[test]
fn numbers_read_well_and_never_round_to_all_or_nothing() {
    use super::parts::{Count, Points, points_share};
    assert_eq!([0, 999, 1000, 1_234_567].map(|count| Count(count).to_string()), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(Points(Hundredths(123_405).0).to_string(), "1,234.05");
    assert_eq!(points_share(0, 0), None);
    assert_eq!(points_share(0, 8), Some(0.0));
    assert_eq!(points_share(800, 8), Some(1.0));
    assert_eq!(points_share(9_999_999, 100_000), Some(0.9999));
    assert_eq!(points_share(1, 100_000), Some(0.0001));
}
