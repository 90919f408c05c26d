"""What each regime says on each topic, and which clauses are in force when, written a second time.

One line a period: the answer code of the comparison, the articles, the first and the last day. Days
outside every line of a rule have no answer. Nothing here is read from data/licenses.
"""

# ruff: noqa: E501 - a table reads best as one line a row

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
