#!/usr/bin/env python3
"""Holds the documentation against the sources and the built programs.

usage: docs.py BUILD   Each check is a function of the pages and the facts that yields complaints;
`self_test` gives every one of them something wrong and fails where it says nothing."""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import markdown

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "schema/README.md"]
LATER = "Not in this release"
SEPARATORS = {"|", "&&", "||", ";", "&"}
# An endpoint where nobody listens: what is right but for that ends with status 3, never 2.
NOWHERE = {
    "BELFRY_STREAM": "tcp://127.0.0.1:9",
    "BELFRY_CONTROL": "tcp://127.0.0.1:9",
    "BELFRY_SOCKET": "no-such-socket",
}
USAGE_WRONG = 2


# --- facts: what the sources and the programs say ---------------------------------------------


def run(*args, cwd=None, limit=10):
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", **NOWHERE}
    try:
        return subprocess.run([str(a) for a in args], env=env, text=True, capture_output=True, timeout=limit,
                              check=False, cwd=cwd, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None


def options_of(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


class Facts:
    """Read once; the self-test makes one by hand."""

    def __init__(self, build=None):
        self.build = build
        self.root = ROOT
        if build is None:
            return
        source = lambda path: (ROOT / path).read_text(encoding="utf-8")
        self.belfry = build / "belfry"
        top = run(self.belfry, "--help").stdout
        listed = top.split("Commands:\n")[1].split("\n\n")[0]
        self.commands = {line.split()[0] for line in listed.splitlines()}
        self.global_options = options_of(top.split("Options of every command:")[1])
        self.valued = set(re.findall(r"--([a-z-]+) [A-Z]+", top))
        self.command_options = {c: options_of(run(self.belfry, c, "--help").stdout) for c in self.commands - {"help"}}
        later = re.search(r"later\[\] = \{([^}]*)\}", source("cli/commands.c")).group(1)
        self.later = set(re.findall(r'"(\w+)"', later))
        self.programs = {}
        for name in ("belfry-agent", "belfry-collector"):
            if (build / name).exists():
                self.programs[name] = options_of(run(build / name, "--help").stdout.split("Configuration:")[0])
        self.dev = {}
        for line in run("sh", ROOT / "dev", "help").stdout.splitlines():
            match = re.match(r"  ([a-z]+)\b(.*)", line)
            if match:
                self.dev[match.group(1)] = options_of(line)
        self.refusals = set(re.findall(r'^REFUSAL \(\w+, "(\w+)"', source("lib/wire/refusal.def"), re.M))
        self.counters = set(re.findall(r'^COUNTER \(\w+, "(\w+)"', source("collector/counters.def"), re.M))
        events = re.findall(r'^EVENT \((\w+), (?:"(\w+)"|NULL), (\w+),', source("lib/wire/events.def"), re.M)
        severities = ("debug", "info", "warning", "error", "critical")
        self.events = {name for _, _, name in events}
        self.topics = {f"{channel.lower()}/" for channel, _, _ in events}
        for channel, token, _ in events:
            for second in [token] if token else severities + ("SEVERITY",):
                self.topics.add(f"{channel.lower()}/{second}/")
        self.ports = {}
        for key in ("stream_in", "stream_out", "control"):
            found = re.search(rf'"{key}", ENDPOINT, [^"]*"", "tcp://127.0.0.1:(\d+)"', source("lib/conf/collector.def"))
            self.ports[int(found.group(1))] = key
        fabric = source("tools/fabric.sh")
        base = int(re.search(r"state=var base=(\d+)", fabric).group(1))
        self.ports[base + int(re.search(r"port=\$\(\(base \+ (\d+)\)\)", fabric).group(1))] = "peer"
        self.dashboard = int(re.search(r"127\.0\.0\.1:(77\d\d)", fabric).group(1))
        self.series = set(self.counters)
        for top_dir in ("agents", "collector"):
            for path in (ROOT / top_dir).rglob("*.[ch]"):
                self.series |= set(re.findall(r'"((?:belfry|node)_[a-z0-9A-Z_]+)"', path.read_text(encoding="utf-8")))
        self.headers = {"libbelfry.3": source("lib/app/belfry.h"),
                        "libbelfry-client.3": source("lib/client/belfry_client.h")}
        self.pages_built = {p.name: p.read_text(encoding="utf-8") for p in (build / "docs" / "man").glob("*.[1-9]")}
        self.reference = (build / "docs" / "reference.md").read_text(encoding="utf-8")


# --- checks ------------------------------------------------------------------------------------


def check_places(pages, facts):
    """Nothing names a path of somebody's machine."""
    for page in pages:
        for number, line in enumerate(page.text.splitlines(), 1):
            if re.search(r"(?<![\w.])/(?:root|home|Users|build|src)(?:/|\b)", line):
                yield f"{page.name}:{number}: names a path of one machine: {line.strip()}"


def check_links(pages, facts):
    """A link leads to a file that is there, an anchor to a heading."""
    known = {page.name: page for page in pages}
    for page in pages:
        for number, target in page.links:
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(page.name), path)) if path else page.name
            if not (facts.root / full).exists():
                yield f"{page.name}:{number}: the link {target} leads nowhere"
            elif anchor and full in known and anchor not in known[full].anchors:
                yield f"{page.name}:{number}: {full} has no heading for #{anchor}"


def check_paths(pages, facts):
    """A file or folder of the tree that is named in code is there."""
    for page in pages:
        for number, span, section in page.spans:
            match = re.fullmatch(r"(?:lib|agents|collector|cli|tests|schema|tools|docs)/[\w./*-]*", span)
            if match and section != LATER and not list(facts.root.glob(span.rstrip("/"))):
                yield f"{page.name}:{number}: there is no {span}"


def check_yaml(pages, facts):
    """Every YAML block is a file that `belfry check` finds good."""
    for page in pages:
        for block in page.blocks:
            if block.language != "yaml":
                continue
            with tempfile.TemporaryDirectory() as directory:
                file = pathlib.Path(directory) / (block.name or "block.yaml")
                file.write_text(block.text, encoding="utf-8")
                done = run(facts.belfry, "check", file.name, cwd=directory)
            if not done or done.returncode:
                said = (done.stderr + done.stdout).strip() if done else "no answer"
                yield f"{page.name}:{block.line}: belfry check says: {said}"


def command_lines(page):
    """(line, argv, section, whole) of every command line: in code spans and in blocks of sh and console."""
    found = [(number, span, section, False) for number, span, section in page.spans]
    for block in page.blocks:
        lines = block.text.replace("\\\n", " " * 2).splitlines()
        for i, line in enumerate(lines):
            if block.language == "sh" or (block.language == "console" and line.startswith("$ ")):
                found.append((block.line + i, line.removeprefix("$ "), block.section, True))
    for number, text, section, whole in found:
        try:
            words = shlex.split(text, comments=True)
        except ValueError:
            continue
        argv = []
        for word in words + [";"]:
            if word in SEPARATORS or word.startswith(">"):
                if argv:
                    yield number, argv, section, whole
                argv = []
            else:
                argv.append(word)


def program_of(argv):
    while argv and re.fullmatch(r"[A-Z_]+=.*", argv[0]):
        argv = argv[1:]
    if argv and argv[0] == "sudo":
        argv = argv[1:]
    if not argv:
        return None, []
    name = argv[0].removeprefix("build/")
    return (name, argv[1:]) if name in ("belfry", "belfry-agent", "belfry-collector", "./dev") else (None, [])


def belfry_complaint(args, section, whole, facts):
    words, given, i = [], set(), 0
    plain = []  # without the ways to a fabric that is not there
    while i < len(args):
        if args[i].startswith("--"):
            name, equals, _ = args[i][2:].partition("=")
            given.add(name)
            value = name in ("config", "stream", "control", "keyring", "timeout") and not equals
            if not value:
                plain.append(args[i])
            i += 1 + value
        else:
            words.append(args[i])
            plain.append(args[i])
            i += 1
    if not words:
        bad = given - facts.global_options
        return f"belfry has no option --{min(bad)}" if bad else None
    command = words[0]
    if command in facts.later:
        return None if section == LATER else f"'belfry {command}' is not in this release"
    if command not in facts.commands:
        return f"there is no 'belfry {command}'"
    bad = given - facts.global_options - facts.command_options.get(command, set())
    if bad:
        return f"'belfry {command}' has no option --{min(bad)}"
    if not whole or any("$" in word for word in plain):
        return None
    with tempfile.TemporaryDirectory() as directory:
        if command == "keygen" and words[1:2] == ["node"]:
            run(facts.belfry, "keygen", "secret", "--out", "a-secret", cwd=directory)
            plain = ["--keyring", "a-secret"] + plain
        done = run(facts.belfry, "--timeout", "50ms", *plain, cwd=directory, limit=2)
    if done and done.returncode == USAGE_WRONG:
        return f"belfry says: {done.stderr.strip()}"
    return None


def check_commands(pages, facts):
    """Every command line names commands and options that exist, and belfry's are right usage."""
    for page in pages:
        for number, argv, section, whole in command_lines(page):
            name, args = program_of(argv)
            said = None
            if name == "belfry":
                said = belfry_complaint(args, section, whole, facts)
            elif name == "./dev":
                command = args[0] if args else "help"
                if command not in facts.dev:
                    said = f"there is no './dev {command}'"
                else:
                    bad = {a[2:] for a in args[1:] if a.startswith("--")} - facts.dev[command]
                    said = f"'./dev {command}' has no option --{min(bad)}" if bad else None
            elif name in facts.programs:
                bad = {a[2:].partition("=")[0] for a in args if a.startswith("--")} - facts.programs[name]
                said = f"{name} has no option --{min(bad)}" if bad else None
            if said:
                yield f"{page.name}:{number}: {said}"


def check_steps(pages, facts):
    """The steps of a guide work one after the other, but for those that need a running fabric."""
    for page in pages:
        if not page.name.startswith("docs/guide"):
            continue
        with tempfile.TemporaryDirectory() as directory:
            (pathlib.Path(directory) / "build").symlink_to(facts.build)
            for block in page.blocks:
                if block.language == "yaml":
                    file = pathlib.Path(directory) / next(s for _, s, _ in page.spans if s.endswith(f"/{block.name}"))
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(block.text, encoding="utf-8")
                elif block.language == "sh" and not re.search(r"&$|\b(?:status|tap|alerts|kill|send)\b", block.text, re.M):
                    done = run("sh", "-ec", block.text, cwd=directory)
                    if not done or done.returncode:
                        yield f"{page.name}:{block.line}: this step fails: {done and done.stderr.strip()}"


def check_later(pages, facts):
    """README's list of what is missing names every command that says so itself."""
    for page in pages:
        if page.name == "README.md":
            spans = {span for _, span, section in page.spans if section == LATER}
            for command in sorted(facts.later - {s.removeprefix("belfry ") for s in spans}):
                yield f"{page.name}: '{LATER}' does not name `belfry {command}`"


def check_ports(pages, facts):
    """README's table of ports is the sources'; no page names another port of ours."""
    for page in pages:
        for number, line in enumerate(page.text.splitlines(), 1):
            for port in re.findall(r"\b77\d\d\b", line):
                if int(port) not in facts.ports and int(port) != facts.dashboard and not 7711 <= int(port) <= 7719:
                    yield f"{page.name}:{number}: no program uses port {port}"
        if page.name == "README.md":
            table = {int(p): key for p, key in re.findall(r"^\| (77\d\d) \| `(\w+)`", page.text, re.M)}
            if table != facts.ports:
                yield f"{page.name}: the table of ports says {table}, the sources {facts.ports}"


def check_topics(pages, facts):
    """A topic's beginning in code is one that exists."""
    channels = {topic for topic in facts.topics if topic.count("/") == 1}
    for page in pages:
        for number, span, _ in page.spans:
            parts = span.split("/")
            if not re.fullmatch(r"(?:[A-Za-z0-9._-]+/)+", span) or f"{parts[0]}/" not in channels:
                continue
            if len(parts) > 2 and parts[1] not in ("", "*") and f"{parts[0]}/{parts[1]}/" not in facts.topics:
                yield f"{page.name}:{number}: no topic begins with {span}"


def check_series(pages, facts):
    """Figures that a page names are made by a program, and the reference names all that are. One that
    ends in "_" stands for those whose names the kernel gives."""
    for page in pages:
        for number, line in enumerate(page.text.splitlines(), 1):
            for name in re.findall(r"\b((?:belfry_(?:agent|collector|store|host|filesystem)|node)_[A-Za-z0-9_]+)\b", line):
                made = name in facts.series or any(name.startswith(s) for s in facts.series if s.endswith("_"))
                if name != "node_exporter" and not made:
                    yield f"{page.name}:{number}: no program makes the series {name}"
        if page.name == "docs/reference.md":
            for name in sorted(facts.series):
                if not re.search(rf"\b{name}" + (r"\b" if name[-1] != "_" else ""), page.text):
                    yield f"{page.name}: does not name the series {name}"


def check_reference(pages, facts):
    """docs/reference.md is what the programs' tables make of its template, and is complete."""
    for page in pages:
        if page.name != "docs/reference.md":
            continue
        if page.text != facts.reference:
            yield f"{page.name}: is not what its template makes: ninja -C build reference"
        for name in sorted(facts.refusals | facts.counters | facts.events):
            if not re.search(rf"[`| ]{name}[`| ]", page.text):
                yield f"{page.name}: does not name {name}"


def roff_text(text):
    text = re.sub(r"\\f[A-Z]", "", text.replace("\\-", "-").replace("\\&", ""))
    lines = []
    for line in text.splitlines():
        match = re.match(r"\.(BI|BR|RB|IR|RI|IB|B|I) (.*)", line)
        if match:
            words = re.findall(r'"([^"]*)"|(\S+)', match.group(2))
            joined = "".join if len(match.group(1)) == 2 else " ".join
            line = joined(a or b for a, b in words)
        lines.append(line)
    return "\n".join(lines)


def check_man_pages(pages, facts):
    """Options of the daemons' pages are those of --help; a library's page has its header's prototypes."""
    for name, options in facts.programs.items():
        text = roff_text(facts.pages_built.get(f"{name}.8", "").split('.SH SIGNALS')[0])
        said = options_of(text)
        if said != options:
            yield f"{name}.8: options {sorted(said ^ options)} stand in one of page and --help"
    squeeze = lambda text: re.sub(r"\s+", "", text)
    for name, header in facts.headers.items():
        page = squeeze(roff_text(facts.pages_built.get(name, "")))
        for prototype in re.findall(r"^(?:BELFRY_API )?([a-z][^;{}()]* \**belfry_[a-z_]* \([^;{}]*\);)", header, re.M):
            if squeeze(prototype) not in page:
                yield f"{name}: lacks the prototype {' '.join(prototype.split())}"


def script_page(name, text):
    """A page with the belfry commands of a shell script, its texts for people included."""
    page = markdown.Page(name, text)
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"(?:^|[\s(])(?:build/belfry|tap) ((?:--config \S+ +)?[a-z].*)", line)
        if match and "()" not in line:
            command = re.split(r" {2,}| \|\|| [0-9]?>|\)|; ", match.group(1))[0]
            page.blocks.append(markdown.Block(number, "sh", "", f"belfry {command}\n", ""))
    return page


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]


# --- the test of the test ----------------------------------------------------------------------


def made_up():
    facts = Facts()
    facts.belfry, facts.build = REAL.belfry, REAL.build
    facts.commands, facts.later = {"tap", "send", "check"}, {"top"}
    facts.global_options, facts.command_options = {"json", "config"}, {"tap": {"count"}, "send": set(), "check": set()}
    facts.programs, facts.dev = {"belfry-agent": {"check"}}, {"run": {"for"}, "test": set()}
    facts.refusals, facts.counters, facts.events = {"mac"}, {"belfry_collector_x_total"}, {"Alert"}
    facts.topics = {"alerts/", "alerts/error/", "health/", "health/node/"}
    facts.ports, facts.dashboard = {7701: "stream_in"}, 7780
    facts.series = {"node_load1", "node_vmstat_"}
    facts.headers = {"libbelfry.3": "BELFRY_API int belfry_x (void);\nint belfry_y (\n        int z);"}
    facts.pages_built = {"belfry-agent.8": "", "libbelfry.3": ""}
    facts.reference = "made"
    return facts


# Each check with a page that is right for it, and pages that are wrong.
CASES = {
    check_places: ("`/etc/belfry`", ["see /home/ann/x", "`/root/belfry`"]),
    check_links: ("[a](README.md) [b](#here)\n# Here", ["[a](no-such.md)", "[b](#there)\n# Here"]),
    check_paths: ("`lib/wire/mac.c` `lib/wire/`", ["`lib/wire/no.c`", "`tests/nowhere/`"]),
    check_yaml: ("```yaml\nrules: []\n```", ["```yaml rules.yaml\nrules: [{name: X}]\n```", "```yaml\nno: key\n```"]),
    check_commands: (
        "`belfry tap --count N` `build/belfry-agent --check` `./dev run --for 20s`\n"
        "```sh\nbelfry tap alerts/ --count 1 --json  # why\n```\n# Not in this release\n`belfry top`",
        ["`belfry top`", "`belfry tpa`", "`belfry tap --cuont N`", "`./dev rnu`", "`./dev test --for 1s`",
         "`belfry-agent --chekc`", "```console\n$ belfry tap alrets/\n```", "```sh\nbelfry send logging LogEntry x=y\n```"],
    ),
    check_later: ("# Not in this release\n`belfry top`", ["# Not in this release\n`belfry tap`", "`belfry top`"]),
    check_ports: ("| 7701 | `stream_in` |\n7780", ["| 7701 | `control` |", "| 7701 | `stream_in` |\n7709", ""]),
    check_topics: ("`alerts/error/` `health/` `lib/wire/`", ["`alerts/eror/`", "`health/node2/demo/`"]),
    check_series: ("node_load1 node_vmstat_oom_kill node_exporter", ["node_laod1", "belfry_agent_none_total"]),
    check_reference: None,
    check_steps: None,
    check_man_pages: None,
}


def self_test():
    assert set(CASES) == set(CHECKS), "a check without a case"
    facts = made_up()
    for check, case in CASES.items():
        if case is None:
            continue
        right, wrong = case
        said = list(check([markdown.parse("README.md", right)], facts))
        assert not said, (check.__name__, right, said)
        for text in wrong:
            assert list(check([markdown.parse("README.md", text)], facts)), (check.__name__, text)
    reference = [markdown.parse("docs/reference.md", "`mac` `belfry_collector_x_total` `Alert` node_load1")]
    assert len(list(check_reference(reference, facts))) == 1, "another text than the template makes"
    script = script_page("x.sh", "  build/belfry --config $x tap alerts/   what is wrong\ntap tap --cuont 1 || :\n")
    assert len(list(check_commands([script], facts))) == 1, "a script's command"
    facts.reference = reference[0].text
    assert not list(check_reference(reference, facts))
    facts.refusals, facts.series = {"mac", "nonce"}, {"node_load1", "node_load5"}
    assert len(list(check_reference(reference, facts))) == 1, "a refusal that is not named"
    assert len(list(check_series(reference, facts))) == 1 + 1, "a series that is not named, or not made"
    steps = "`x/f.yaml`\n```yaml f.yaml\nrules: []\n```\n```sh\nbuild/belfry check x/f.yaml\n```\n"
    assert not list(check_steps([markdown.parse("docs/guide.md", steps)], facts))
    assert list(check_steps([markdown.parse("docs/guide.md", steps.replace("check x/", "check y/"))], facts))
    assert len(list(check_man_pages([], facts))) == 3, "an option and two prototypes that are missing"
    facts.pages_built = {"belfry-agent.8": ".B \\-\\-check\n",
                         "libbelfry.3": '.BI "int belfry_x (" void );\n.BI "int belfry_y (int " z );\n'}
    assert not list(check_man_pages([], facts))


def main():
    global REAL
    REAL = Facts(pathlib.Path(sys.argv[1]).resolve())
    self_test()
    names = PAGES + sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))
    pages = [markdown.parse(name, (ROOT / name).read_text(encoding="utf-8")) for name in names]
    templates = sorted((ROOT / "docs" / "man").glob("*.in"))
    pages_in = [markdown.Page(str(p.relative_to(ROOT)), p.read_text(encoding="utf-8")) for p in templates]
    found = [line for check in CHECKS for line in check(pages, REAL)]
    found += [line for check in (check_places, check_ports, check_series) for line in check(pages_in, REAL)]
    script = script_page("tools/fabric.sh", (ROOT / "tools/fabric.sh").read_text(encoding="utf-8"))
    found += list(check_commands([script], REAL))
    assert len(script.blocks) > 10, "the script's commands are not found any more"
    for line in found:
        print(line)
    print(f"{len(pages)} pages and {len(pages_in)} templates read, {len(CHECKS)} checks, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
