"""What each regime says on each topic, and which clauses are in force when, written a second time.

One line a period: the answer code of the comparison, the articles, the first and the last day. Days
outside every line of a rule have no answer. No line of a table is read from data/licenses.

How it was made: each article was read in the statute, in the revision that `data/licenses/laws.yaml`
names (law id, revision id), and `ARTICLES` keeps the words of it on which the answers rest. The
answer, the regimes and the days of a line follow from those words and from the days on which the
acts came into force: the supplementary provisions say them (2010-04-01, 2018-06-01, 2021-05-01,
2023-06-01), or the revision id does (2026-06-01: 422CO0000000019_20260601_508CO0000000173;
2026-08-12: 421AC0000000059_20260812_508AC0000000064). Where a line begins on a later day than its
act (2018-11-01, 2026-05-25, 2026-08-12, 2026-08-17), the text before that day has not been read.
A regime for which the law has no rule cites the article that would otherwise bring it under one.

`python tests/license_rule_table.py DIR` compares `ARTICLES` with a folder of statute texts, in the
form that `walletlab licenses verify --law DIR` reads.
"""

# ruff: noqa: E501 - a table reads best as one line a row

from __future__ import annotations

import re
import sys
from pathlib import Path

import license_expectations as law

from analysis.licenses.corpus import citations, rule_base
from analysis.licenses.verify import LawText, normalised
from analysis.licenses.words import article_en

# article | words of it, as they stand in the statute (… leaves words out)
ARTICLES = """
PSA art. 2(2) | 銀行等以外の者が為替取引を業として営むこと
PSA art. 2-2 | 為替取引に該当するものとする
PSA art. 2-2(i) | 受取人が個人（事業として又は事業のために
PSA art. 2-2(ii) | 国外から国内へ向けて資金を移動させる行為
PSA art. 3(1)(i) | 対価を得て発行される証票等又は番号、記号
PSA art. 3(2) | 毎年3月31日及び9月30日
PSA art. 3(4) | 役務の提供を受ける場合に限り
PSA art. 3(5) | 自家型前払式支払手段以外の前払式支払手段
PSA art. 3(8) | 「高額電子移転可能型前払式支払手段」とは
PSA art. 3(8)(i) | 電子情報処理組織を用いて移転をすることができる
PSA art. 3(9) | 高額として内閣府令で定める額を超えるもの
PSA art. 4 | この章の規定は、適用しない
PSA art. 4(ii) | 政令で定める一定の期間内に限り使用できる
PSA art. 5(1) | 個人のうち、自家型前払式支払手段のみを発行する者
PSA art. 7 | 登録を受けた法人でなければ、行ってはならない
PSA art. 10(1)(ii)(a) | 純資産額が…政令で定める金額以上である法人
PSA art. 11-2(1) | あらかじめ…業務実施計画を…届け出なければならない
PSA art. 14(1) | 2分の1の額…以上の額に相当する額の発行保証金
PSA art. 20(1)(i) | 発行の業務の全部又は一部を廃止した場合
PSA art. 20(5) | 保有者に払戻しをしてはならない
PSA art. 24(1) | 報告若しくは資料の提出を命じ
PSA art. 25 | 改善に必要な措置…を命ずることができる
PSA art. 27(1) | 6月以内の期間を定めて…停止を命ずることができる
PSA art. 29-2(1) | 6月30日、9月30日及び12月31日
PSA art. 31(1) | 他の債権者に先立ち弁済を受ける権利
PSA art. 36-2(1) | 第2種資金移動業及び第3種資金移動業以外のもの
PSA art. 36-2(2) | 少額として政令で定める額以下
PSA art. 36-2(3) | 特に少額として政令で定める額以下
PSA art. 37 | 登録を受けた者は、銀行法第4条第1項及び…にかかわらず
PSA art. 40(1)(i) | 株式会社又は外国資金移動業者
PSA art. 40(1)(iii) | 必要と認められる財産的基礎を有しない法人
PSA art. 40-2(1) | 業務実施計画を定め…認可を受けなければならない
PSA art. 40-2(1)(i) | 上限額を定める場合にあっては、当該上限額
PSA art. 43(1)(i) | 要履行保証額以上の額に相当する額の履行保証金
PSA art. 43(1)(ii) | 要履行保証額の最高額以上の額
PSA art. 43(2) | 未達債務の額…手続に関する費用の額…の合計額
PSA art. 45-2(1) | 履行保証金の全部又は一部の供託をしないことができる
PSA art. 51-2(1) | 明らかでない為替取引…債務を負担してはならない
PSA art. 51-2(2) | 期間を超えて為替取引に関する債務を負担してはならない
PSA art. 51-3 | 政令で定める額を超える額の債務…を負担してはならない
PSA art. 54(1) | 報告若しくは資料の提出を命じ
PSA art. 55 | 改善に必要な措置…を命ずることができる
PSA art. 56(1) | 6月以内の期間を定めて…停止を命ずることができる
PSA art. 59(1) | 先立ち弁済を受ける権利を有する。ただし、第45条の2
PSA art. 107 | 3年以下の拘禁刑若しくは3,000,000円以下の罰金
PSA art. 107(i) | 第7条の登録を受けないで…発行の業務を行ったとき
PSA art. 108 | 2年以下の拘禁刑若しくは3,000,000円以下の罰金
PSA art. 108(i) | 認可を受けないで…第1種資金移動業を営んだとき
PSA Suppl. art. 8(1) | 施行日から6月間
PSA Suppl. art. 11(3) | 「2分の1」とあるのは
PSA Suppl. Act 50/2020 art. 7(1) | 第2種資金移動業…の登録を受けたものとみなす
PSA Suppl. Act 50/2020 art. 10(1) | 第2種資金移動業に係る履行保証金とみなす
PSA Suppl. Act 50/2020 art. 10(2) | 資金移動業者が定める期間を1週間と
PSA Suppl. Act 50/2020 art. 12(3) | それぞれ1営業日と定めたものとみなす
PSA Suppl. Act 61/2022 art. 2(1) | 施行日から起算して2年間は、適用しない
PSA Suppl. Act 61/2022 art. 3(1) | 施行日から起算して2週間以内に
PSA Suppl. Act 64/2026 art. 1 | 公布の日から起算して20日を経過した日
PSA Suppl. Act 66/2025 art. 1 | 1年を超えない範囲内において政令で定める日
PSA Suppl. Act 66/2025 art. 2(1) | 施行の日から起算して6月間
PSA Suppl. Act 66/2025 art. 2(2) | 2年を経過したときは、この限りでない
PSA-Order art. 4(2) | 一定の期間は、6月とする
PSA-Order art. 5(1)(i) | 区域内である場合 10,000,000円
PSA-Order art. 5(1)(ii) | 該当する場合 零
PSA-Order art. 5(1)(iii) | 前2号に掲げる場合以外の場合 100,000,000円
PSA-Order art. 6 | 10,000,000円とする
PSA-Order art. 12-2(1) | 1,000,000円に相当する額
PSA-Order art. 12-2(2) | 50,000円に相当する額
PSA-Order art. 14(i) | 10,000,000円を…種別…の数で除して得た額
PSA-Order art. 14(ii) | 100分の100である場合に限る。） 0円
PSA-Order art. 17-2 | 50,000円に相当する額
PSA-Order art. 17-3(2)(i) | のみを営む資金移動業者 10,000,000円
PSA-Order art. 17-3(2)(iii) | 前2号に掲げる者以外の資金移動業者 6,660,000円
PSA-Order art. 29(1) | 財務局長…に委任するものとする
PSA-Order art. 30(1) | 財務局長…に委任するものとする
PSA-Order Suppl. art. 1 | 平成22年4月1日
PSA-Order Suppl. Order 142/2020 art. 1 | 令和2年5月1日
PSA-Order Suppl. Order 173/2018 art. 1 | 平成30年6月1日
PSA-Order Suppl. Order 186/2023 art. 1 | 令和5年6月1日
PSA-Order Suppl. Order 47/2017 art. 1 | 平成29年4月1日
PSA-Order Suppl. Order 52/2021 art. 1 | 令和3年5月1日
PPI-Ord art. 5-2(1)(i)(a) | 1件当たりの未使用残高の額が100,000円を超える
PPI-Ord art. 5-2(1)(i)(b) | 1月間の未使用残高の総額が300,000円を超える
PPI-Ord art. 5-2(1)(ii)(a) | 1件当たりの未使用残高…100,000円を超える
PPI-Ord art. 5-2(1)(ii)(b) | 1月間の未使用残高の総額が300,000円を超える
PPI-Ord art. 5-2(2)(i) | 1月間の未使用残高の総額が300,000円を超える
PPI-Ord art. 5-2(2)(iii) | 1月間の未使用残高の総額が300,000円を超える
PPI-Ord art. 5-3(1) | 内閣府令で定める額は、300,000円
PPI-Ord art. 42(1)(i) | 発行額の100分の20を超えない場合
PPI-Ord art. 42(1)(ii) | 基準日未使用残高の100分の5を超えない場合
PPI-Ord art. 42(1)(iii) | やむを得ない事情により…利用が著しく困難となった場合
PPI-Ord art. 42(1)(iv) | 金融庁長官の承認を受けたとき
FT-Ord art. 1-2(i) | 債務が消滅しないものであること
FT-Ord art. 1-2(ii) | 信用の供与をしたことにより発生したもの
FT-Ord art. 1-3(1) | 利用者の保護に欠けるおそれが大きい行為を除く
FT-Ord art. 11(1) | 期間は、2営業日
FT-Ord art. 11(2) | 期間は、3営業日
FT-Ord art. 11(6)(i) | 100,000,000円以下であるとき…100分の5を乗じて
FT-Ord art. 11(6)(ii) | 100分の1を乗じて得た額に5,000,000円を加えた額
FT-Ord art. 30-2(1) | 用いられるものであるかどうかを確認するための体制
FT-Ord art. 30-2(3) | 返還その他の当該資金を保有しないための措置
FT-Ord art. 30-3 | 貸付け又は手形の割引を行うことを防止するための措置
FT-Ord art. 32-2(1)(iii) | 資金の移動先
FT-Ord art. 32-2(2)(i) | 必要な期間を加えた期間であって、2月を超えない期間
AML art. 2(2)(i) | 銀行
AML art. 2(2)(xxx-2) | 第11条の2第1項の届出をした者
AML art. 2(2)(xxxi) | 第2条第3項に規定する資金移動業者
AML-Order art. 7(1)(i)(a) | 預金又は貯金の受入れを内容とする契約の締結
AML-Order art. 7(1)(i)(o) | 前払式支払手段記録口座…の開設を行うこと
AML-Order art. 7(1)(i)(ケ) | 伴うものにあっては、100,000円）を超えるもの
AML-Order art. 7(1)(i)(コ) | イに掲げる取引を行うことなく…継続的に又は反復して
Bank art. 2(2)(i) | 預金又は定期積金の受入れと資金の貸付け
Bank art. 2(2)(ii) | 為替取引を行うこと
Bank art. 2(21) | 「電子決済等代行業」とは、次に掲げる行為
Bank art. 4(1) | 内閣総理大臣の免許を受けた者でなければ
Bank art. 4-2 | 銀行は、株式会社であつて
Bank art. 5(1) | 資本金の額は、政令で定める額以上
Bank art. 5(2) | 1,000,000,000円を下回つてはならない
Bank art. 61 | 3年以下の拘禁刑若しくは3,000,000円以下の罰金
Bank art. 61(i) | 免許を受けないで銀行業を営んだとき
Bank-Order art. 3 | 2,000,000,000円とする
"""

# topic | regimes | answer | articles | first day | last day
RULES = """
definition | prepaid_own | own_use | PSA art. 3(4) | 2010-04-01 | 2026-12-31
definition | prepaid_third_party | third_party_use | PSA art. 3(5) | 2010-04-01 | 2026-12-31
definition | prepaid_high_value | high_value | PSA art. 3(8)(i) | 2023-06-01 | 2026-12-31
definition | funds_transfer | remittance | PSA Suppl. Act 50/2020 art. 7(1) | 2010-04-01 | 2021-04-30
definition | funds_transfer_1 | remittance | PSA art. 36-2(1) | 2021-05-01 | 2026-12-31
definition | funds_transfer_2 | remittance | PSA art. 36-2(2) | 2021-05-01 | 2026-12-31
definition | funds_transfer_3 | remittance | PSA art. 36-2(3) | 2021-05-01 | 2026-12-31
definition | bank | banking | Bank art. 2(2)(ii) | 2018-11-01 | 2026-12-31
definition | collection_agency | unregulated | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
definition | collection_agency | remittance_if_consumer | PSA art. 2-2(i) | 2021-05-01 | 2026-05-31
definition | collection_agency | remittance_if_consumer_or_cross_border | PSA art. 2-2(ii) | 2026-06-01 | 2026-12-31
entry | prepaid_own | notification | PSA art. 5(1) | 2010-04-01 | 2026-12-31
entry | prepaid_third_party | registration | PSA art. 7 | 2010-04-01 | 2026-12-31
entry | prepaid_high_value | registration_and_plan | PSA art. 11-2(1); PSA art. 7 | 2023-06-01 | 2026-12-31
entry | funds_transfer | registration | PSA Suppl. Act 50/2020 art. 7(1) | 2010-04-01 | 2021-04-30
entry | funds_transfer_1 | registration_and_approval | PSA art. 37; PSA art. 40-2(1) | 2021-05-01 | 2026-12-31
entry | funds_transfer_2 funds_transfer_3 | registration | PSA art. 37 | 2021-05-01 | 2026-12-31
entry | bank | license | Bank art. 4(1) | 2018-11-01 | 2026-12-31
entry | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
entry | collection_agency | none_unless_remittance | PSA art. 2-2 | 2021-05-01 | 2026-12-31
who | prepaid_own | anyone | PSA art. 5(1) | 2010-04-01 | 2026-12-31
who | prepaid_third_party | corporation | PSA art. 7 | 2010-04-01 | 2026-12-31
who | prepaid_high_value | corporation | PSA art. 7 | 2023-06-01 | 2026-12-31
who | funds_transfer_1 funds_transfer_2 funds_transfer_3 | stock_company | PSA art. 40(1)(i) | 2026-08-12 | 2026-12-31
who | bank | stock_company | Bank art. 4-2 | 2018-11-01 | 2026-12-31
who | collection_agency | anyone | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
who | collection_agency | anyone | PSA art. 2-2 | 2021-05-01 | 2026-12-31
minimum_assets | prepaid_own | none | PSA art. 5(1) | 2010-04-01 | 2026-12-31
minimum_assets | prepaid_third_party | net_assets | PSA art. 10(1)(ii)(a) | 2018-11-01 | 2026-12-31
minimum_assets | prepaid_high_value | net_assets | PSA art. 10(1)(ii)(a) | 2023-06-01 | 2026-12-31
minimum_assets | funds_transfer_1 funds_transfer_2 funds_transfer_3 | no_figure | PSA art. 40(1)(iii) | 2026-08-12 | 2026-12-31
minimum_assets | bank | capital | Bank art. 5(1) | 2026-05-25 | 2026-12-31
minimum_assets | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
minimum_assets | collection_agency | none | PSA art. 2-2 | 2021-05-01 | 2026-12-31
transfer_cap | prepaid_own prepaid_third_party | none | PSA art. 3(5) | 2010-04-01 | 2023-05-31
transfer_cap | prepaid_own prepaid_third_party | none | PSA art. 3(8)(i) | 2023-06-01 | 2026-12-31
transfer_cap | prepaid_high_value | none | PPI-Ord art. 5-2(1)(i)(a) | 2023-06-01 | 2026-12-31
transfer_cap | funds_transfer | capped | PSA Suppl. Act 50/2020 art. 7(1) | 2010-04-01 | 2021-04-30
transfer_cap | funds_transfer_1 | own_plan | PSA art. 40-2(1)(i) | 2021-05-01 | 2026-12-31
transfer_cap | funds_transfer_2 | capped | PSA-Order art. 12-2(1) | 2021-05-01 | 2026-12-31
transfer_cap | funds_transfer_3 | capped | PSA-Order art. 12-2(2) | 2021-05-01 | 2026-12-31
transfer_cap | bank | none | Bank art. 2(2)(ii) | 2018-11-01 | 2026-12-31
transfer_cap | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
transfer_cap | collection_agency | none | PSA art. 2-2 | 2021-05-01 | 2026-12-31
holding | prepaid_own prepaid_third_party | allowed | PSA art. 3(1)(i) | 2010-04-01 | 2026-12-31
holding | prepaid_high_value | allowed | PSA art. 3(8)(i) | 2023-06-01 | 2026-12-31
holding | funds_transfer_1 | forbidden | PSA art. 51-2(1); FT-Ord art. 32-2(1)(iii) | 2021-05-01 | 2026-05-31
holding | funds_transfer_1 | limited | PSA art. 51-2(2); FT-Ord art. 32-2(2)(i) | 2026-06-01 | 2026-12-31
holding | funds_transfer_2 | allowed_if_for_transfers | FT-Ord art. 30-2(1); FT-Ord art. 30-2(3) | 2021-05-01 | 2026-12-31
holding | funds_transfer_3 | capped | PSA art. 51-3; PSA-Order art. 17-2 | 2021-05-01 | 2026-12-31
holding | bank | deposits | Bank art. 2(2)(i) | 2018-11-01 | 2026-12-31
holding | collection_agency | no_rule | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
holding | collection_agency | no_rule | PSA art. 2-2 | 2021-05-01 | 2026-12-31
cash_out | prepaid_own prepaid_third_party | prohibited | PSA art. 20(5); PPI-Ord art. 42(1)(iii); PSA art. 20(1)(i) | 2010-04-01 | 2026-12-31
cash_out | prepaid_high_value | prohibited | PSA art. 20(5) | 2023-06-01 | 2026-12-31
cash_out | funds_transfer | permitted | PSA art. 2(2) | 2010-04-01 | 2021-04-30
cash_out | funds_transfer_1 funds_transfer_2 funds_transfer_3 | permitted | PSA art. 2(2) | 2021-05-01 | 2026-12-31
cash_out | bank | permitted | Bank art. 2(2)(i) | 2018-11-01 | 2026-12-31
cash_out | collection_agency | permitted | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
cash_out | collection_agency | permitted | PSA art. 2-2 | 2021-05-01 | 2026-12-31
preservation | prepaid_own prepaid_third_party | half | PSA art. 14(1); PSA-Order art. 6 | 2010-04-01 | 2026-12-31
preservation | prepaid_high_value | half | PSA art. 14(1); PSA-Order art. 6 | 2023-06-01 | 2026-12-31
preservation | funds_transfer | full | PSA Suppl. Act 50/2020 art. 10(1) | 2018-11-01 | 2021-04-30
preservation | funds_transfer_1 | full | PSA art. 43(1)(i); PSA-Order art. 14(i) | 2021-05-01 | 2026-12-31
preservation | funds_transfer_2 | full | PSA art. 43(1)(ii); PSA-Order art. 14(i) | 2021-05-01 | 2026-12-31
preservation | funds_transfer_3 | full_or_bank_deposit | PSA art. 43(1)(ii); PSA art. 45-2(1) | 2021-05-01 | 2026-12-31
preservation | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
preservation | collection_agency | none | PSA art. 2-2 | 2021-05-01 | 2026-12-31
priority | prepaid_own prepaid_third_party | priority | PSA art. 31(1) | 2010-04-01 | 2026-12-31
priority | prepaid_high_value | priority | PSA art. 31(1) | 2023-06-01 | 2026-12-31
priority | funds_transfer_1 funds_transfer_2 | priority | PSA art. 59(1) | 2021-05-01 | 2026-12-31
priority | funds_transfer_3 | priority_part | PSA art. 59(1) | 2021-05-01 | 2026-12-31
priority | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
priority | collection_agency | none | PSA art. 2-2 | 2021-05-01 | 2026-12-31
kyc | prepaid_own prepaid_third_party | no | AML art. 2(2)(xxx-2) | 2010-04-01 | 2026-12-31
kyc | prepaid_high_value | yes | AML-Order art. 7(1)(i)(o); AML art. 2(2)(xxx-2) | 2023-06-01 | 2026-12-31
kyc | funds_transfer | yes | AML art. 2(2)(xxxi); AML-Order art. 7(1)(i)(コ) | 2010-04-01 | 2021-04-30
kyc | funds_transfer_1 funds_transfer_2 funds_transfer_3 | yes | AML art. 2(2)(xxxi); AML-Order art. 7(1)(i)(コ) | 2021-05-01 | 2026-12-31
kyc | bank | yes | AML-Order art. 7(1)(i)(a); AML art. 2(2)(i) | 2018-11-01 | 2026-12-31
kyc | collection_agency | no | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
kyc | collection_agency | no | PSA art. 2-2 | 2021-05-01 | 2026-12-31
interest | funds_transfer_1 funds_transfer_2 funds_transfer_3 | risky | FSA-14 Ⅱ-2-2-1-1(6)注1 | 2026-08-17 | 2026-12-31
interest | bank | allowed | Bank art. 2(2)(i) | 2018-11-01 | 2026-12-31
lending | funds_transfer_1 funds_transfer_2 funds_transfer_3 | barred_with_guarantee | FT-Ord art. 30-3 | 2026-06-01 | 2026-12-31
lending | bank | allowed | Bank art. 2(2)(i) | 2018-11-01 | 2026-12-31
card_funding | funds_transfer | not_by_practice | PSA art. 2(2) | 2018-11-01 | 2021-04-30
supervisor | prepaid_own prepaid_third_party | fsa_bureau | PSA-Order art. 29(1) | 2010-04-01 | 2026-12-31
supervisor | prepaid_high_value | fsa_bureau | PSA-Order art. 29(1) | 2023-06-01 | 2026-12-31
supervisor | funds_transfer | fsa_bureau | PSA-Order art. 30(1) | 2010-04-01 | 2021-04-30
supervisor | funds_transfer_1 funds_transfer_2 funds_transfer_3 | fsa_bureau | PSA-Order art. 30(1) | 2021-05-01 | 2026-12-31
supervisor | bank | fsa | Bank art. 4(1) | 2018-11-01 | 2026-12-31
supervisor | collection_agency | none | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
supervisor | collection_agency | none | PSA art. 2-2 | 2021-05-01 | 2026-12-31
penalty | prepaid_third_party | criminal | PSA art. 107(i) | 2026-08-12 | 2026-12-31
penalty | prepaid_high_value | criminal | PSA art. 107(i) | 2026-08-12 | 2026-12-31
penalty | funds_transfer_1 | criminal | PSA art. 108(i); Bank art. 61(i) | 2026-08-12 | 2026-12-31
penalty | funds_transfer_2 funds_transfer_3 | criminal | Bank art. 61(i) | 2026-08-12 | 2026-12-31
penalty | bank | criminal | Bank art. 61(i) | 2026-08-12 | 2026-12-31
"""

# regime | articles | first day | last day
REGIMES = """
prepaid_own | PSA-Order Suppl. art. 1 | 2010-04-01 | 2026-12-31
prepaid_third_party | PSA-Order Suppl. art. 1 | 2010-04-01 | 2026-12-31
prepaid_high_value | PSA-Order Suppl. Order 186/2023 art. 1; PSA art. 3(8) | 2023-06-01 | 2026-12-31
funds_transfer | PSA-Order Suppl. art. 1; PSA Suppl. Act 50/2020 art. 7(1) | 2010-04-01 | 2021-04-30
funds_transfer_1 | PSA-Order Suppl. Order 52/2021 art. 1; PSA art. 36-2(1) | 2021-05-01 | 2026-12-31
funds_transfer_2 | PSA-Order Suppl. Order 52/2021 art. 1; PSA art. 36-2(2) | 2021-05-01 | 2026-12-31
funds_transfer_3 | PSA-Order Suppl. Order 52/2021 art. 1; PSA art. 36-2(3) | 2021-05-01 | 2026-12-31
bank | Bank art. 4(1) | 2018-11-01 | 2026-12-31
collection_agency | PSA-Order Suppl. Order 52/2021 art. 1 | 2010-04-01 | 2021-04-30
collection_agency | PSA art. 2-2 | 2021-05-01 | 2026-12-31
"""

# clause | articles | first day | last day
CLAUSES = """
prepaid_definition | PSA art. 3(1)(i) | 2010-04-01 | 2026-12-31
remittance_is_banking | PSA art. 37; Bank art. 2(2)(ii) | 2010-04-01 | 2026-12-31
consumer_collection_is_remittance | PSA art. 2-2(i) | 2021-05-01 | 2026-12-31
undischarged_debt | FT-Ord art. 1-2(i) | 2021-05-01 | 2026-12-31
split_bill | FT-Ord art. 1-2(ii) | 2021-05-01 | 2026-12-31
cross_border_collection_is_remittance | PSA art. 2-2(ii) | 2026-06-01 | 2026-12-31
cross_border_exceptions | FT-Ord art. 1-3(1) | 2026-06-01 | 2026-12-31
account_reading | Bank art. 2(21); PSA-Order Suppl. Order 173/2018 art. 1 | 2018-06-01 | 2026-12-31
deposit_taking | Bank art. 2(2)(i) | 2018-11-01 | 2026-12-31
prepaid_other_exemptions | PSA art. 4 | 2010-04-01 | 2026-12-31
refund_on_closing | PSA art. 20(1)(i) | 2010-04-01 | 2026-12-31
refund_hardship | PPI-Ord art. 42(1)(iii) | 2010-04-01 | 2026-12-31
refund_unauthorised_access | PPI-Ord art. 42(1)(iv) | 2026-06-01 | 2026-12-31
idle_money_returned | FT-Ord art. 30-2(3) | 2021-05-01 | 2026-12-31
return_cost_is_due | PSA art. 43(2) | 2021-05-01 | 2026-12-31
report_order_prepaid | PSA art. 24(1) | 2026-08-12 | 2026-12-31
improvement_order_prepaid | PSA art. 25 | 2026-08-12 | 2026-12-31
suspension_prepaid | PSA art. 27(1) | 2026-08-12 | 2026-12-31
report_order_funds | PSA art. 54(1) | 2026-08-12 | 2026-12-31
improvement_order_funds | PSA art. 55 | 2026-08-12 | 2026-12-31
suspension_funds | PSA art. 56(1) | 2026-08-12 | 2026-12-31
"""

# outage duty | articles | first day
DUTIES = """
report_failure | FSA-05 Ⅱ-3-1-1-3(2)① | 2026-08-17
report_status | FSA-05 Ⅱ-3-1-1-3(2)① | 2026-08-17
report_delay_or_stop | FSA-14 Ⅱ-2-3-1-1-3(2)① | 2026-08-17
plan_capacity | FSA-05 Ⅱ-3-1-1-2(6)⑤、(3)② | 2026-08-17
publish | FSA-05 Ⅱ-3-1-1-2(10)⑤ | 2026-08-17
notify_users | FSA-05 Ⅱ-3-1-1-2(10)⑤注 | 2026-08-17
contain | FSA-05 Ⅱ-3-1-1-2(10)⑦ | 2026-08-17
"""


def cited() -> set[str]:
    """Return every article of a statute that the tables here and beside this module cite."""
    columns = [(RULES, 3), (REGIMES, 1), (CLAUSES, 1)]
    columns += [(law.PARAMETERS, 1), (law.AMENDMENTS, 2), (law.TRANSITIONS, 1)]
    cells = [row[column] for table, column in columns for row in law.rows(table)]
    places = {place.strip() for cell in cells for place in cell.split(";")}
    return {place for place in places if not place.startswith("FSA-")}


def differences(folder: Path) -> list[str]:
    """Return the articles whose words do not stand in the statute texts of a folder."""
    rules = rule_base()
    places = {f"{c.law} {article_en(c.article)}": c for _, c in citations(rules)}
    statutes = [text for text in rules.laws if text.kind != "guideline"]
    texts = {x.short: LawText.read(folder / f"{x.law_id}.json") for x in statutes}
    found = []
    for place, words in law.rows(ARTICLES):
        body = texts[places[place].law].find(places[place].article) or ""
        parts = [re.escape(normalised(part)) for part in words.split("…")]
        if not re.search(".*?".join(parts), normalised(body)):
            found.append(f"{place}: {words}")
    return found


if __name__ == "__main__":
    wrong = differences(Path(sys.argv[1]))
    print("\n".join(wrong) or f"{len(law.rows(ARTICLES))} articles agree")
    sys.exit(bool(wrong))
