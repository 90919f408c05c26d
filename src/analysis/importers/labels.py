"""The words that PostgreSQL puts before a message, in English and as its translations have them.

Words as in src/backend/po of PostgreSQL 15 (elog.c: error_severity, "DETAIL:  " and the like).
"""

from __future__ import annotations

import re

# the commonest first: they are tried in this order
_ENGLISH_LEVELS = (
    "LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG", "DEBUG1", "DEBUG2",
    "DEBUG3", "DEBUG4", "DEBUG5",
)  # fmt: skip
_OTHER_LEVELS = (
    "FEHLER", "WARNUNG", "HINWEIS", "PANIK",
    "ERREUR", "ATTENTION",
    "ADVERTENCIA", "PÁNICO",
    "ERRORE", "ATTENZIONE", "NOTIFICA", "FATALE", "PANICO",
    "ERRO", "AVISO", "NOTA", "PÂNICO", "DEPURAÇÃO",
    "LOGG", "FEL", "VARNING", "NOTIS", "FATALT",
    "BŁĄD", "OSTRZEŻENIE", "DZIENNIK", "UWAGA", "PANIKA", "KATASTROFALNY",
    "HATA", "UYARI", "BİLGİ", "NOT", "KRİTİK", "ÖLÜMCÜL (FATAL)",
    "ОТЛАДКА", "СООБЩЕНИЕ", "ИНФОРМАЦИЯ", "ЗАМЕЧАНИЕ", "ПРЕДУПРЕЖДЕНИЕ", "ОШИБКА", "ВАЖНО",
    "ПАНИКА",
    "НАЛАГОДЖЕННЯ", "ЗАПИСУВАННЯ", "ІНФОРМАЦІЯ", "ПОВІДОМЛЕННЯ", "ПОПЕРЕДЖЕННЯ", "ПОМИЛКА",
    "ФАТАЛЬНО", "ПАНІКА",
    "გამართვა", "ჟურნალი", "ინფორმაცია", "გაფრთხილება", "შეცდომა", "ფატალური", "პანიკა",
    "エラー", "警告",
    "디버그", "로그", "정보", "알림", "경고", "오류", "치명적오류", "손상",
    "调试", "日志", "信息", "注意", "错误", "致命错误", "灾难性错误",
    "除錯", "日誌", "資訊", "錯誤", "致命錯誤", "嚴重錯誤",
)  # fmt: skip
LEVELS = frozenset((*_ENGLISH_LEVELS, *_OTHER_LEVELS))
# label of a further part of a record -> contract column
PARTS = {
    "DETAIL": "detail", "HINT": "hint", "QUERY": "internal_query", "CONTEXT": "context",
    "STATEMENT": "query", "LOCATION": "location", "BACKTRACE": "backtrace",
    "TIPP": "hint", "ANFRAGE": "internal_query", "ZUSAMMENHANG": "context", "ANWEISUNG": "query",
    "DÉTAIL": "detail", "ASTUCE": "hint", "REQUÊTE": "internal_query", "CONTEXTE": "context",
    "INSTRUCTION": "query", "PILE D'APPEL": "backtrace",
    "DETALLE": "detail", "SUGERENCIA": "hint", "CONSULTA": "internal_query",
    "CONTEXTO": "context", "UBICACIÓN": "location", "SENTENCIA": "query",
    "DETTAGLI": "detail", "SUGGERIMENTO": "hint", "CONTESTO": "context", "ISTRUZIONE": "query",
    "DETALHE": "detail", "DICA": "hint", "LOCAL": "location", "COMANDO": "query",
    "DETALJ": "detail", "TIPS": "hint", "FRÅGA": "internal_query", "KONTEXT": "context",
    "SATS": "query",
    "SZCZEGÓŁY": "detail", "PODPOWIEDŹ": "hint", "ZAPYTANIE": "internal_query",
    "KONTEKST": "context", "POZYCJA": "location", "WYRAŻENIE": "query",
    "AYRINTI": "detail", "DETAY": "detail", "İPUCU": "hint", "SORGU": "internal_query",
    "ORTAM": "context", "BAĞLAM": "context", "KONUM": "location", "YER": "location",
    "KOMUT": "query",
    "ПОДРОБНОСТИ": "detail", "ПОДСКАЗКА": "hint", "ЗАПРОС": "internal_query",
    "КОНТЕКСТ": "context", "ОПЕРАТОР": "query", "СТЕК": "backtrace",
    "ВІДОМОСТІ": "detail", "УКАЗІВКА": "hint", "ЗАПИТ": "internal_query",
    "ІНСТРУКЦІЯ": "query", "ВІДСТЕЖУВАТИ": "backtrace",
    "დეტალები": "detail", "მინიშნება": "hint", "მოთხოვნა": "internal_query",
    "კონტექსტი": "context", "ოპერატორი": "query", "სტეკი": "backtrace",
    "詳細": "detail", "ヒント": "hint", "問い合わせ": "internal_query", "文脈": "context",
    "コンテキスト": "context", "文": "query", "バックトレース": "backtrace",
    "상세정보": "detail", "힌트": "hint", "쿼리": "internal_query", "내용": "context",
    "명령 구문": "query", "역추적": "backtrace",
    "详情": "detail", "详细信息": "detail", "提示": "hint", "查询": "internal_query",
    "上下文": "context", "语句": "query", "回溯": "backtrace",
    "詳情": "detail", "查詢": "internal_query", "陳述式": "query",
}  # fmt: skip
_WORDS = "|".join(map(re.escape, dict.fromkeys((*_ENGLISH_LEVELS, *PARTS, *_OTHER_LEVELS))))
LABEL = rf"(?P<label>{_WORDS})[ \xa0]?: {{1,2}}"
_LABEL = re.compile(LABEL)
# classes of SQLSTATE: PostgreSQL documentation, appendix "PostgreSQL Error Codes"
_CLASSES = (
    "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F "
    "40 42 44 53 54 55 57 58 72 F0 HV P0 XX"
)
SQLSTATE = rf"(?:{_CLASSES.replace(' ', '|')})[0-9A-Z]{{3}}"


def find_label(text: str, start: int, end: int) -> re.Match[str] | None:
    """Return the first label in text[start:end]; one inside a longer word is none.

    >>> find_label("the BACKLOG: x", 0, 400)
    >>> find_label("[77] LOG:  x", 0, 400)["label"]
    'LOG'
    """
    for match in _LABEL.finditer(text, start, end):
        before = text[match.start() - 1 : match.start()]
        if not before.isalpha() and before != "_":
            return match
    return None
