"""Twenty public data sets, with their columns and own values, come out as a careful person would want them, unaided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.chat_history import history_to_json
from core.base.row import FIELDS
from core.data import source as source_module
from core.data.dataset import DataSet
from core.data.source import open_data

R = "3 red and 5 blue.\n\nTogether 8, <b>surely</b>."
SYSTEM = "Think well before you answer."
EARLIER = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi!"}]

Case = tuple[dict[str, Any], dict[str, str]]
"""A record, and the texts of its row that are not empty."""


def asked(number: int) -> str:
    return f"Mina has {number} red and 5 blue clips. How many has she?"


def told(number: int) -> str:
    return f"She has {number + 5} clips."


def turns(*said: tuple[str, str], names: tuple[str, str] = ("role", "content"), **last: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [dict(zip(names, turn, strict=True)) for turn in said]
    listed[-1].update(last)
    return listed


def thought(answer: str, opener: str = "<think>", closer: str = "</think>") -> str:
    return f"{opener}\n{R}\n{closer}\n\n{answer}"


def open_thought(answer: str) -> str:
    return (
        f"<|begin_of_thought|>\n\n{R}\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n{answer}\n\n<|end_of_solution|>"
    )


def question_and_answer(number: int, **more: str) -> dict[str, str]:
    return {"instruction": asked(number), "reasoning": R, "output": told(number), **more}


def case(name: str, number: int) -> Case:
    """The record of the data set `name` with this number in its texts, and its row."""
    question, answer, row = asked(number), told(number), question_and_answer(number)
    sharegpt = ("from", "value")
    system = {**row, "system": SYSTEM}
    match name:
        case "alpaca":
            record = {"instruction": "Add the clips.", "input": question, "output": answer}
            prompt = f"Below is an instruction.\n\n### Instruction:\nAdd the clips.\n\n### Response:\n{answer}"
            return {**record, "text": prompt}, record
        case "dolly":
            context = f"Clips are sold in packs of {number}."
            record = {"instruction": question, "context": context, "response": answer, "category": "closed_qa"}
            return record, {"instruction": question, "input": context, "output": answer}
        case "sharegpt":
            said = [("system", SYSTEM), ("human", "Hello."), ("gpt", "Hi!"), ("human", question), ("gpt", answer)]
            history = history_to_json(EARLIER)
            return {"id": f"x_{number}", "conversations": turns(*said, names=sharegpt)}, {
                "instruction": question, "output": answer, "system": SYSTEM, "history": history,
            }  # fmt: skip
        case "OpenThoughts":
            said = [("user", question), ("assistant", open_thought(answer))]
            return {"system": SYSTEM, "conversations": turns(*said, names=sharegpt)}, system
        case "Bespoke-Stratos":
            said = [("user", f"Return your final response within \\boxed{{}}. {question}")]
            said.append(("assistant", open_thought(f"\\[ \\boxed{{{number + 5}}} \\]")))
            return {"system": SYSTEM, "conversations": turns(*said, names=sharegpt)}, {
                **system, "instruction": said[0][1], "output": f"\\[ \\boxed{{{number + 5}}} \\]",
            }  # fmt: skip
        case "OpenR1-Math":
            return {
                "problem": question,
                "solution": f"Count them all, one by one, and it is ${number + 5}$.",
                "answer": str(number + 5),
                "problem_type": "Algebra",
                "question_type": "math-word-problem",
                "source": "olympiads",
                "uuid": f"f{number:03}",
                "is_reasoning_complete": [True, True],
                "generations": ["<think>\nHm.\n</think>\n\nIt is 5.", thought(answer)],
                "correctness_math_verify": [False, True],
                "correctness_llama": None,
                "finish_reasons": None,
                "correctness_count": 1,
                "messages": turns(("user", question), ("assistant", "<think>\nHm.\n</think>\n\nIt is 5.")),
            }, row
        case "s1K":
            return {
                "solution": str(number + 5),
                "question": question,
                "cot_type": "math",
                "source_type": "AI-MO/NuminaMath-CoT/aops_forum",
                "metadata": "{'url': None}",
                "cot": None,
                "thinking_trajectories": [R],
                "attempt": answer,
            }, row
        case "LIMO":
            solution = f"{R}\n\nWait, let me check that once more.\n\n**Final Answer**\n\n\\boxed{{{number + 5}}}"
            record = {"question": question, "solution": solution, "answer": str(number + 5)}
            return record, {"instruction": question, "reasoning": solution, "output": str(number + 5)}
        case "LIMR":
            return {"prompt": question, "answer": str(number + 5)}, {
                "instruction": question, "output": str(number + 5),
            }  # fmt: skip
        case "medical-o1":
            return {"Question": question, "Complex_CoT": R, "Response": answer}, row
        case "Chinese-DeepSeek-R1-Distill":
            record = {"input": question, "reasoning_content": R, "content": answer, "repo_name": "meta-math/GSM8K_zh"}
            counts = {"prompt_tokens_len": 9, "reasoning_content_tokens_len": 20, "content_tokens_len": 8, "score": 10}
            return {**record, **counts}, row
        case "gsm8k":
            steps = f"There are {number}+5=<<{number}+5={number + 5}>>{number + 5} clips.\nThat is all."
            return {"question": question, "answer": f"{steps}\n#### {number + 5}"}, {
                "instruction": question, "reasoning": steps, "output": str(number + 5),
            }  # fmt: skip
        case "MATH":
            solution = f"We add ${number}$ and $5$, which makes $\\boxed{{{number + 5}}}$."
            record = {"problem": question, "level": "Level 2", "type": "Algebra", "solution": solution}
            return record, {"instruction": question, "output": solution}
        case "Magpie-reasoning":
            response = thought(answer)
            return {
                "conversation_id": f"c{number}",
                "instruction": question,
                "response": response,
                "conversations": turns(("human", question), ("gpt", response), names=sharegpt),
                "gen_input_configs": {"temperature": 1.0, "input_generator": "m"},
                "gen_response_configs": {"temperature": 0.6, "engine": "m"},
                "intent": f"The user wants to add {number} and 5 clips, step by step.",
                "knowledge": "To solve this, one has to add small numbers.",
                "difficulty": "easy",
                "input_quality": "good",
                "quality_explanation": f"The question number {number} is clear and specific, and can be answered.",
                "task_category": "Math",
                "other_task_category": [],
                "safety": " ",
                "instruct_reward": -8.5,
                "min_neighbor_distance": 0.1,
                "language": "EN",
            }, {**row, "syslang": "EN"}
        case "AM-DeepSeek-R1-Distilled":
            info = {"source": "OpenHermes", "reference_answer": None, "test_case": None}
            content = f"<think>{R}</think>\n<answer>{answer}</answer>"
            messages = turns(("user", question), info={**info, "think_content": None, "answer_content": None})
            messages += turns(("assistant", content), info={**info, "think_content": R, "answer_content": answer})
            return {"messages": messages}, row
        case "Light-R1":
            return {"conversations": turns(("user", question), ("assistant", thought(answer)), names=sharegpt)}, row
        case "dolphin-r1":
            messages = turns(("system", SYSTEM), ("user", question))
            return {"messages": messages, "reasoning": R, "answer": answer, "model": "deepseek-r1"}, system
        case "Nemotron":
            return {
                "uuid": f"u{number}",
                "license": "CC BY 4.0",
                "generator": "DeepSeek-R1-0528",
                "version": "v1",
                "category": "math",
                "reasoning": "on",
                "messages": [
                    {"role": "user", "content": question, "tool_calls": []},
                    {"role": "assistant", "content": thought(answer), "tool_calls": []},
                ],
                "metadata": json.dumps({"expected_answer": number + 5, "problem_source": "x"}),
            }, row
        case "Multilingual-Thinking":
            return {
                "reasoning_language": "German",
                "developer": SYSTEM,
                "user": question,
                "analysis": R,
                "final": answer,
                "messages": [
                    {"role": "system", "content": f"reasoning language: German\n\n{SYSTEM}", "thinking": None},
                    {"role": "user", "content": question, "thinking": None},
                    {"role": "assistant", "content": answer, "thinking": R},
                ],
            }, {**system, "syslang": "German"}
        case _:
            return {"質問": question, "回答": f"思考過程：\n{R}\n\n回答：\n{answer}"}, row


NAMES = [
    *("alpaca", "dolly", "sharegpt", "OpenThoughts", "Bespoke-Stratos", "OpenR1-Math", "s1K", "LIMO", "LIMR"),
    *("medical-o1", "Chinese-DeepSeek-R1-Distill", "gsm8k", "MATH", "Magpie-reasoning", "AM-DeepSeek-R1-Distilled"),
    *("Light-R1", "dolphin-r1", "Nemotron", "Multilingual-Thinking", "Japanese headings"),
]


def read(data: DataSet) -> list[dict[str, str]]:
    found = [{column: getattr(data.row(index), column) for column in FIELDS} for index in range(len(data))]
    return [{column: text for column, text in row.items() if text} for row in found]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [2, 12])
def test_json_lines(tmp_path: Path, name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [case(name, number) for number in range(3, 3 + count)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record, _ in cases))
    for small in (2_000_000, -1):
        monkeypatch.setattr(source_module, "_SMALL", small)
        data = open_data(str(path))
        assert read(data) == [row for _, row in cases] and data.problems == []


@pytest.mark.parametrize("name", NAMES)
def test_parquet(tmp_path: Path, name: str) -> None:
    cases = [case(name, number) for number in range(3, 15)]
    pq.write_table(pa.Table.from_pylist([record for record, _ in cases]), tmp_path / "a.parquet")
    data = open_data(str(tmp_path / "a.parquet"))
    assert read(data) == [row for _, row in cases] and data.problems == []
