"""What the real oslo.config reads: JSON of cases on stdin, of answers on stdout.

A case is {"args": [["file", path] | ["dir", path], ...], "options": [[group, name], ...]}.
An option whose name begins with m may be given several times. An answer is
{"error": true}, or {"values": [a list for each option, or null where it cannot be had]}.
"""
import json
import sys

from oslo_config import cfg


def conf(case):
    c = cfg.ConfigOpts()
    for group, name in case["options"]:
        opt = cfg.MultiStrOpt(name) if name.startswith("m") else cfg.StrOpt(name)
        c.register_opt(opt, group=None if group == "DEFAULT" else group)
    args = []
    for kind, path in case["args"]:
        args += ["--config-" + kind, path]
    c(args, default_config_files=[], default_config_dirs=[])
    return c


def value(c, group, name):
    try:
        v = c[name] if group == "DEFAULT" else c[group][name]
    except (cfg.Error, RecursionError, AttributeError, ValueError):
        return None
    return v if isinstance(v, list) else [v]


def answer(case):
    try:
        c = conf(case)
    except (cfg.Error, UnicodeDecodeError, OSError):
        return {"error": True}
    return {"values": [value(c, *o) for o in case["options"]]}


json.dump([answer(c) for c in json.load(sys.stdin)], sys.stdout)
