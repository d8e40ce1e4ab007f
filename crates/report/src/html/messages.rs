//! The page's fixed texts. They hold no markup characters, so the page writes them as they are.

use yagura_content::Language;
use yagura_model::{Cloud, Severity};

use super::parts::Count;

/// Every fixed text of the page in one language.
pub(super) struct Messages {
    pub lang: &'static str,
    pub title: &'static str,
    pub evaluated: &'static str,
    pub sources: &'static str,
    pub not_available: &'static str,
    pub none: &'static str,
    pub of: fn(part: &str, whole: &str) -> String,
    pub more: fn(u64) -> String,

    pub score: &'static str,
    pub score_lead: &'static str,
    pub no_score: &'static str,
    pub raw_score: &'static str,
    pub raw_score_note: &'static str,
    pub with_exemptions: &'static str,
    pub exempted: fn(u64) -> String,
    pub unhealthy_assessments: &'static str,
    pub of_assessments: fn(u64) -> String,
    pub unknown_assessments: &'static str,
    pub unknown_note: &'static str,
    pub gauge: fn(raw: &str, adjusted: &str) -> String,

    pub by_cloud: &'static str,
    pub scopes_of: fn(Cloud, u64) -> String,
    pub by_scope: &'static str,
    pub no_scopes: &'static str,
    pub cloud: &'static str,
    pub scope: &'static str,
    pub score_column: &'static str,
    pub points: &'static str,
    pub worst_case: &'static str,
    pub unknown_resources: &'static str,
    pub inferred_share: &'static str,

    pub inventory: &'static str,
    pub inventory_lead: &'static str,
    pub no_inventory: &'static str,
    pub accounts: fn(Cloud) -> &'static str,
    pub resources: &'static str,
    pub without_rules: &'static str,
    pub assessments: &'static str,
    pub assessments_lead: fn(u64) -> String,
    pub statuses: [&'static str; 4],

    pub top: &'static str,
    pub top_lead: &'static str,
    pub no_top: &'static str,
    pub more_top: fn(u64) -> String,
    pub recommendation: &'static str,
    pub severity: &'static str,
    pub severity_of: fn(Severity) -> &'static str,
    pub unhealthy: &'static str,
    pub gain: &'static str,
    pub not_scored: &'static str,

    pub controls: &'static str,
    pub controls_lead: &'static str,
    pub no_controls: &'static str,
    pub control: &'static str,
    pub no_points: &'static str,
    pub unhealthy_resources: &'static str,

    pub compliance: &'static str,
    pub compliance_lead: &'static str,
    pub no_compliance: &'static str,
    pub standard: &'static str,
    pub passed_share: &'static str,
    pub states: [&'static str; 6],

    pub gaps: &'static str,
    pub gaps_lead: &'static str,
    pub no_gaps: &'static str,
    pub what: &'static str,
    pub place: &'static str,
    pub cause: &'static str,
    pub no_assessments: &'static str,

    pub method: &'static str,
    pub method_rows: [(&'static str, &'static str); 9],
    pub content_digest: &'static str,
    pub written_by: &'static str,
}

impl Messages {
    /// The texts of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Japanese => &JAPANESE,
        }
    }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", Count(count), if count == 1 { one } else { many })
}

static ENGLISH: Messages = Messages {
    lang: "en",
    title: "Cloud security posture report",
    evaluated: "Evaluated",
    sources: "Sources",
    not_available: "not available",
    none: "none",
    of: |part, whole| format!("{part} of {whole}"),
    more: |count| format!("{} more", Count(count)),

    score: "Secure score",
    score_lead: "How much of the reachable points the estate holds, over all clouds. Higher is better. \
                 What could not be seen is left out, never counted as healthy.",
    no_score: "Nothing counts towards the score in this estate, so there is no score. That is not a score of zero.",
    raw_score: "Raw score",
    raw_score_note: "verdicts as they are",
    with_exemptions: "With exemptions",
    exempted: |count| plural(count, "assessment exempted", "assessments exempted"),
    unhealthy_assessments: "Unhealthy",
    of_assessments: |count| format!("of {}", plural(count, "assessment", "assessments")),
    unknown_assessments: "Unknown",
    unknown_note: "not counted as healthy",
    gauge: |raw, adjusted| format!("Raw score: {raw}. With exemptions: {adjusted}."),

    by_cloud: "By cloud",
    scopes_of: |cloud, count| match cloud {
        Cloud::Azure => plural(count, "subscription", "subscriptions"),
        Cloud::Aws => plural(count, "account", "accounts"),
        Cloud::Gcp => plural(count, "project", "projects"),
    },
    by_scope: "By subscription, account and project",
    no_scopes: "No subscription, account or project was read.",
    cloud: "Cloud",
    scope: "Scope",
    score_column: "Score",
    points: "Points",
    worst_case: "Worst case",
    unknown_resources: "Unknown resources",
    inferred_share: "Inferred share",

    inventory: "Inventory",
    inventory_lead: "What was read. Resources without rules are of kinds that no recommendation speaks of: \
                     nothing on this page says whether they are safe.",
    no_inventory: "No resource was read.",
    accounts: |cloud| match cloud {
        Cloud::Azure => "Subscriptions",
        Cloud::Aws => "Accounts",
        Cloud::Gcp => "Projects",
    },
    resources: "Resources",
    without_rules: "Without rules",
    assessments: "Assessments",
    assessments_lead: |count| {
        format!("{}: one recommendation looked at on one resource.", plural(count, "assessment", "assessments"))
    },
    statuses: ["Healthy", "Unhealthy", "Unknown", "Not applicable"],

    top: "Top recommendations",
    top_lead: "What to fix first: the largest effect on the score comes first. The gain is what the overall score \
               rises by when this one is fixed everywhere and nothing else; it is zero where the same resources also \
               fail other recommendations of the control.",
    no_top: "Nothing unhealthy was found. This says nothing about what is unknown.",
    more_top: |count| plural(count, "more recommendation has", "more recommendations have") + " something to fix.",
    recommendation: "Recommendation",
    severity: "Severity",
    severity_of: |severity| match severity {
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
    },
    unhealthy: "Unhealthy",
    gain: "Gain (percentage points)",
    not_scored: "not scored",

    controls: "Controls of the secure score",
    controls_lead: "Points reached and reachable, summed over all subscriptions, accounts and projects.",
    no_controls: "No control was scored.",
    control: "Control",
    no_points: "carries no points",
    unhealthy_resources: "Unhealthy resources",

    compliance: "Compliance",
    compliance_lead: "Controls of each standard by how they stand. The share is passed of passed, failed and unknown; \
                      what only a person can answer is not in it.",
    no_compliance: "No standard speaks of the clouds that were read.",
    standard: "Standard",
    passed_share: "Passed",
    states: ["Passed", "Failed", "Unknown", "Manual", "Attested", "Not applicable"],

    gaps: "Coverage gaps",
    gaps_lead: "What could not be seen or decided, and why. The score says nothing about it.",
    no_gaps: "No gap was found.",
    what: "What",
    place: "Where",
    cause: "Why",
    no_assessments: "not counted",

    method: "Method",
    method_rows: [
        (
            "Control score",
            "Maximum points × healthy / (healthy + unhealthy) resources, rounded to two decimals. A control with \
             neither drops out. A resource counts once in a control: unhealthy wins, then unknown, then healthy.",
        ),
        (
            "Score of a scope",
            "The sum of its control scores / the sum of their maximum points. A scope is a subscription, account or \
             project.",
        ),
        (
            "Clouds and overall",
            "The mean of the scopes, weighted by the sum over controls of (healthy + unhealthy) resources × maximum \
             points.",
        ),
        (
            "Unknown",
            "What could not be seen or decided is unknown and never counted as healthy; it is left out of the score. \
             A resource that is unknown in several controls of a scope is counted in each of them.",
        ),
        (
            "Worst case",
            "The score if everything unknown failed, in the controls that count. \
             A control in which everything is unknown has no points and is in neither figure.",
        ),
        (
            "Raw and exempted",
            "The raw score ignores exemptions and keeps every verdict as it is. \
             With exemptions, what is unhealthy and mitigated counts as healthy, a waiver as not applicable; unknown stays unknown.",
        ),
        (
            "Inferred mapping",
            "A mapping of a recommendation to a control that is our own judgement and not published by the cloud or \
             the standard. Of a score: the share of counted resources that count only by such mappings. Of a \
             standard: the share of the mappings in use.",
        ),
        (
            "Compliance",
            "A control fails when one resource is unhealthy or a person attests that it is not met, is unknown when \
             something is unknown, and passes only when something was checked and all of it is healthy. Manual waits \
             for a person; attested has a person's word.",
        ),
        ("Not in the score", "Previews, custom recommendations, and controls that carry no points."),
    ],
    content_digest: "Content digest (SHA-256)",
    written_by: "Written by",
};

static JAPANESE: Messages = Messages {
    lang: "ja",
    title: "クラウド セキュリティ態勢レポート",
    evaluated: "評価日時",
    sources: "入力",
    not_available: "算出不可",
    none: "なし",
    of: |part, whole| format!("{part} / {whole}"),
    more: |count| format!("ほか {} 件", Count(count)),

    score: "セキュア スコア",
    score_lead: "すべてのクラウドについて、獲得可能な点数のうち獲得できている割合を示す。高いほど良い。\
                 確認できなかったものは計算から除外し、正常とはみなさない。",
    no_score: "スコアの対象となるリソースがないため、スコアを算出できない。スコアが 0 という意味ではない。",
    raw_score: "未調整スコア",
    raw_score_note: "判定結果のまま",
    with_exemptions: "適用除外を反映",
    exempted: |count| format!("適用除外された評価: {} 件", Count(count)),
    unhealthy_assessments: "異常",
    of_assessments: |count| format!("評価 {} 件中", Count(count)),
    unknown_assessments: "不明",
    unknown_note: "正常とはみなさない",
    gauge: |raw, adjusted| format!("未調整スコア: {raw}。適用除外を反映: {adjusted}。"),

    by_cloud: "クラウド別",
    scopes_of: |cloud, count| match cloud {
        Cloud::Azure => format!("サブスクリプション: {}", Count(count)),
        Cloud::Aws => format!("アカウント: {}", Count(count)),
        Cloud::Gcp => format!("プロジェクト: {}", Count(count)),
    },
    by_scope: "サブスクリプション、アカウント、プロジェクト別",
    no_scopes: "サブスクリプション、アカウント、プロジェクトは読み込まれていない。",
    cloud: "クラウド",
    scope: "スコープ",
    score_column: "スコア",
    points: "点数",
    worst_case: "最悪の場合",
    unknown_resources: "不明なリソース",
    inferred_share: "推定の割合",

    inventory: "インベントリ",
    inventory_lead: "読み込まれたもの。規則のないリソースは、どの推奨事項も対象としない種類のリソースである。\
                     それらが安全かどうかについて、このページは何も示さない。",
    no_inventory: "リソースは読み込まれていない。",
    accounts: |cloud| match cloud {
        Cloud::Azure => "サブスクリプション",
        Cloud::Aws => "アカウント",
        Cloud::Gcp => "プロジェクト",
    },
    resources: "リソース",
    without_rules: "規則なし",
    assessments: "評価",
    assessments_lead: |count| {
        format!("{} 件。1 つの推奨事項を 1 つのリソースについて確認したものを 1 件と数える。", Count(count))
    },
    statuses: ["正常", "異常", "不明", "該当なし"],

    top: "優先すべき推奨事項",
    top_lead: "スコアへの効果が大きい順に示す。上昇幅は、その推奨事項だけをすべてのリソースで修正したときの全体スコア\
               の上昇である。同じリソースがコントロール内の他の推奨事項にも違反している場合は 0 になる。",
    no_top: "異常は見つからなかった。不明なものが安全であるという意味ではない。",
    more_top: |count| format!("ほかに {} 件の推奨事項に修正が必要なリソースがある。", Count(count)),
    recommendation: "推奨事項",
    severity: "重大度",
    severity_of: |severity| match severity {
        Severity::High => "高",
        Severity::Medium => "中",
        Severity::Low => "低",
    },
    unhealthy: "異常",
    gain: "上昇幅 (ポイント)",
    not_scored: "スコア対象外",

    controls: "セキュア スコアのコントロール",
    controls_lead: "獲得した点数と獲得可能な点数。すべてのサブスクリプション、アカウント、プロジェクトの合計を示す。",
    no_controls: "採点されたコントロールはない。",
    control: "コントロール",
    no_points: "配点なし",
    unhealthy_resources: "異常なリソース",

    compliance: "コンプライアンス",
    compliance_lead: "各標準のコントロールを状態別に示す。割合は、合格、不合格、不明の合計に占める合格の割合である。\
                      人だけが判断できるものは割合に含まない。",
    no_compliance: "読み込まれたクラウドを対象とする標準はない。",
    standard: "標準",
    passed_share: "合格の割合",
    states: ["合格", "不合格", "不明", "手動", "証明済み", "該当なし"],

    gaps: "確認できなかった範囲",
    gaps_lead: "確認または判定できなかったものとその理由。スコアはこれらについて何も示さない。",
    no_gaps: "確認できなかったものはない。",
    what: "対象",
    place: "場所",
    cause: "理由",
    no_assessments: "件数なし",

    method: "算出方法",
    method_rows: [
        (
            "コントロールのスコア",
            "配点 × 正常 / (正常 + 異常) のリソース数。小数第 2 位に丸める。どちらもないコントロールは計算から除外す\
             る。リソースはコントロールごとに 1 回だけ数え、異常、不明、正常の順に優先する。",
        ),
        (
            "スコープのスコア",
            "コントロールのスコアの合計 / 配点の合計。スコープは、サブスクリプション、アカウント、プロジェクトのいず\
             れかである。",
        ),
        (
            "クラウドと全体のスコア",
            "スコープのスコアの加重平均。重みは、(正常 + 異常) のリソース数 × 配点をコントロールについて合計したもの。",
        ),
        (
            "不明",
            "確認または判定できなかったものは不明とし、正常とはみなさない。スコアの計算からは除外する。\
             スコープ内の複数のコントロールで不明なリソースは、それぞれのコントロールで数える。",
        ),
        (
            "最悪の場合",
            "計算に含まれるコントロールで、不明なものがすべて異常だった場合のスコア。\
             すべてが不明のコントロールには配点がなく、どちらの値にも含まれない。",
        ),
        (
            "未調整と適用除外",
            "未調整スコアは適用除外を考慮せず、判定結果をそのまま用いる。\
             適用除外を反映したスコアでは、軽減済みの異常を正常、免除を該当なしとして数える。不明は不明のままとする。",
        ),
        (
            "推定のマッピング",
            "推奨事項とコントロールの対応のうち、クラウド事業者や標準が公開したものではなく、独自の判断によるもの。ス\
             コアでは、そのような対応だけで数えられたリソースの割合を示す。標準では、使用された対応に占める割合を示す。",
        ),
        (
            "コンプライアンス",
            "異常なリソースが 1 つでもあるか、満たしていないと人が証明した場合は不合格、不明なものがあれば不明とする。\
             確認したものがあり、そのすべてが正常な場合だけ合格とする。\
             手動は人の確認を待つもの、証明済みは満たしていると人が証明したものである。",
        ),
        ("スコアに含まないもの", "プレビューの推奨事項、独自の推奨事項、配点のないコントロール。"),
    ],
    content_digest: "コンテンツのダイジェスト (SHA-256)",
    written_by: "作成",
};
