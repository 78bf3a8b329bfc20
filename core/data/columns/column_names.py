"""The names that public data sets give to the columns of a row and its context. Knows only names, no values."""

from __future__ import annotations

import re

HISTORY_NAMES = (
    "history", "chathistory", "conversationhistory", "dialoghistory", "dialoguehistory", "messagehistory", "pastturns",
    "previousturns", "previousmessages", "履歴", "会話履歴", "历史", "对话历史",
)  # fmt: skip
NAME_TIERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "instruction": (
        ("instruction",),
        ("question", "prompt", "query", "problem", "task"),
        (
            "user", "userprompt", "usermessage", "instructions", "questions", "problemstatement", "human", "request",
            "questiontext", "q", "質問", "指示", "問題", "質問文", "問題文", "问题", "指令",
        ),
        ("input", "inputs", "textinput", "inputtext", "message"),
    ),
    "input": (
        ("input",),
        ("context",),
        ("passage", "document", "paragraph", "article", "story", "入力", "输入", "文脈", "本文")
    ),
    "reasoning": (
        ("reasoning",),
        (
            "reasoningcontent", "thinking", "think", "thought", "thoughts", "chainofthought", "cot", "rationale",
            "reason", "explanation", "thinkcontent", "thinkingcontent", "thoughtcontent", "reasoningsteps",
        ),
        (
            "complexcot", "thinkingtrajectories", "thinkingtrajectory", "reasoningtrace", "reasoningtext",
            "thoughtprocess", "thinkingprocess", "analysis", "trace", "monologue", "推論", "思考", "推理", "思维链",
            "reasoningprocess", "reasoningpath", "reasoningpaths", "reasoningchain", "reasonings", "thinkingtrace",
            "thinkingtext", "thinktext", "cotja", "cotzh", "coten", "cots", "rationales", "explanations", "scratchpad",
            "solutionsteps", "thinkingsteps", "思考過程", "推論過程", "思考プロセス", "推論プロセス",
            "推論内容", "思考内容", "思考过程", "推理过程", "推理步骤", "思维过程",
        ),
        ("解説", "解析", "考え方", "解题过程", "解答過程"),
    ),
    "output": (
        ("output",),
        ("answer", "response", "completion"),
        (
            "attempt", "final", "reply", "assistant", "content", "outputs", "responses", "completions", "modelanswer",
            "modelresponse", "target", "targets", "expectedoutput", "targettext", "outputtext", "answertext",
            "responsetext", "bot", "gpt", "a", "出力", "回答", "答え", "解答", "応答", "回答文", "返答", "输出", "答案",
            "回复",
        ),
        ("solution", "chosen", "preferredoutput"),
        ("generation", "generations", "generatedtext", "samples", "candidates", "solutions"),
        (
            "finalanswer", "groundtruth", "groundtruthanswer", "groundtruthsolution", "referenceanswer",
            "expectedanswer", "goldanswer", "correctanswer", "bestanswer", "ideal", "idealanswer", "gold",
            "goldstandard", "correct", "answers", "answerkey", "answeridx", "answerindex",
            "correctoption", "reference", "label", "labels", "正解", "模範解答", "标准答案",
        ),
    ),
    "syslang": (("syslang",), ("lang", "language"), ("reasoninglanguage", "languagecode", "locale", "言語", "语言")),
    "sysflag": (("sysflag",), ("split", "flag")),
    "system": (
        ("system",),
        ("systemprompt", "systemmessage", "sysprompt", "systeminstruction", "systeminstructions", "systemtext",
         "metainstruction"),
        ("developer", "システム", "システムプロンプト", "系统", "系统提示", "系统提示词"),
    ),
    "history": (("history",), HISTORY_NAMES),
    "tools": (
        ("tools",),
        ("functions", "availabletools", "tooldefinitions", "functiondefinitions", "toolslist", "toolschema"),
    ),
}  # fmt: skip
"""For each canonical column, its usual names in order of likelihood, spelled as by `normalized_name`, in tiers: between
two names of one tier the user should decide."""

GENERATION_NAMES = (
    "generations", "generation", "samples", "candidates", "responses", "completions", "solutions", "outputs",
)  # fmt: skip
ALTERNATIVE_NAMES = frozenset(
    (
        "rationales", "explanations", "reasonings", "cots", "reasoningpaths", "thinkingtrajectories", "reasoningtraces",
        "answers", "solutions", "responses", "completions", "outputs", "generations", "samples", "candidates",
    )
)  # fmt: skip
"""Names of lists whose items are several texts for the same question, not parts of one."""
LABEL_NAMES = frozenset(("label", "labels", "class", "category", "target", "intent", "sentiment", "emotion", "answer"))
"""Names of columns whose few small numbers may stand for classes."""
NOT_REASONING_NAMES = frozenset(
    (
        "system", "systemprompt", "systemmessage", "developer", "text", "source", "url", "title", "id", "metadata",
        "tags", "history", "tools", "functions", "document", "passage", "abstract", "article", "code", "tests",
        "testcases", "startercode", "prompttemplate", "rejected", "negative", "chosen",
    )
)  # fmt: skip
"""Names of texts that are known to be no reasoning."""
CHAT_NAMES = ("messages", "contents", "conversations", "conversation", "chat", "dialogue", "dialog", "turns")
REJECTED_NAMES = frozenset(("rejected", "negative"))
_LAST_PARTS = {
    "instruction": ("question", "prompt", "problem", "instruction", "query"),
    "reasoning": (
        "reasoning", "reasoningcontent", "thinking", "thinkingtrajectory", "thinkingtrajectories", "think", "thought",
        "thoughts", "cot", "chainofthought", "rationale", "trace",
    ),
    "output": ("solution", "attempt", "response", "answer", "output", "completion"),
}  # fmt: skip
_NO_PREFIX = frozenset(
    (
        "ground", "truth", "gold", "golden", "reference", "ref", "expected", "target", "correct", "wrong", "incorrect",
        "rejected", "bad", "is", "has", "num", "n", "final", "original", "raw", "system", "negative", "test", "no",
        "non", "without",
    )
)  # fmt: skip
_SPLIT = re.compile(r"[\s_\-.]+|(?<=[a-z])(?=[A-Z])")


def normalized_name(name: str) -> str:
    """The name in the spelling in which names are compared: lower case, no underscores, hyphens or spaces."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "").strip()


def name_prefix(name: str, column: str) -> str | None:
    """The prefix of a name like `deepseek_reasoning` or `gemini_attempt`, whose rest names `column`; None for any other
    name.

    A number at the end (`r1_solution_2`) belongs to the prefix.
    """
    parts = [part for part in _SPLIT.split(name) if part]
    number = parts.pop() if len(parts) > 2 and parts[-1].isdigit() else ""
    for size in range(min(3, len(parts) - 1), 0, -1):
        if "".join(parts[-size:]).lower() in _LAST_PARTS.get(column, ()):
            first = [part.lower() for part in parts[:-size]]
            return None if _NO_PREFIX & set(first) else " ".join([*first, number]).strip()
    return None


RELEVANT_NAMES = frozenset(name for tiers in NAME_TIERS.values() for tier in tiers for name in tier).union(
    GENERATION_NAMES, CHAT_NAMES
)
