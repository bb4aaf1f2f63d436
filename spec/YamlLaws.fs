module Bitflow.Spec.YamlLaws

open System
open System.Diagnostics
open System.IO
open System.Text
open Xunit
open Bitflow.Domain

let private read (text: string) = Yaml.readString text

/// A tree as text: mappings in braces, lists in brackets, quoted texts in quotes.
let rec private show (node: YamlNode) =
    match node.Value with
    | YamlValue.Null -> "null"
    | YamlValue.Scalar(text, quoted) -> if quoted then $"\"{text}\"" else text
    | YamlValue.Sequence items -> "[" + String.Join(" ", Array.map show items) + "]"
    | YamlValue.Mapping entries -> "{" + String.Join(" ", entries |> Array.map (fun e -> $"{e.Name}:{show e.Node}")) + "}"

let private shown (text: string) =
    match read text with
    | { Root = ValueSome root; Faults = [] } -> show root
    | { Faults = faults } -> $"%A{faults}"

/// Line, column, path, and text of each fault.
let private faults (document: YamlDocument) =
    document.Faults |> List.map (fun found -> found.At.Line, found.At.Column, string found.Path, found.What)

[<Fact>]
let ``a tree is what YAML 1.2 says, with merges of 1.1`` () =
    Law.HoldsFor(
        [ "", "null"
          "# nothing\n", "null"
          "a: 1\nb: [x, 'y', \"z\"]", "{a:1 b:[x \"y\" \"z\"]}"
          "a:\nb: ~\nc: null\nd: 'null'\ne: ''", "{a:null b:null c:null d:\"null\" e:\"\"}"
          "a: !!str 5\nb: ! 6\nc: !!int \"7\"\nd: !!null x", "{a:\"5\" b:\"6\" c:7 d:null}"
          "a: |\n  x\n  y\nb: >-\n  x\n  y", "{a:\"x\ny\n\" b:\"x y\"}"
          "a: &x {k: 1}\nb: *x", "{a:{k:1} b:{k:1}}"
          "a: &x 1\nb: &x 2\nc: *x", "{a:1 b:2 c:2}"
          "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", "{a:{k:1 l:2} b:{l:3 k:1}}"
          "a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y]}", "{a:{k:1} b:{k:2 l:2} c:{k:1 l:2}}"
          "a: {'<<': 1}", "{a:{<<:1}}"
          "? a\n: b", "{a:b}"
          "&a key: &b v\n*b : *a", "{key:v v:key}"
          "a: b\r\nc: d\re: f", "{a:b c:d e:f}"
          "\uFEFFa: b", "{a:b}"
          "%YAML 1.2\n---\na: b\n...\n", "{a:b}"
          "a: \"\\u00e9\\x41\\n\"", "{a:\"éA\n\"}" ],
        fun (text, tree) -> shown text = tree
    )

[<Fact>]
let ``what is wrong with a text is said with its place, its path and all at once`` () =
    Law.HoldsFor(
        [ "a: 1\nb: 2\na: 3\nb: 4", [ 3, 1, "a", YamlFault.DuplicateKey 1; 4, 1, "b", YamlFault.DuplicateKey 2 ]
          "a:\n  - b: 1\n    b: 2", [ 3, 5, "a[0].b", YamlFault.DuplicateKey 2 ]
          "a: {<<: {b: 1}, <<: {c: 1}}", [ 1, 17, "a.\"<<\"", YamlFault.DuplicateKey 1 ]
          "a: 1\n---\nb: 2", [ 2, 1, "file", YamlFault.SecondDocument ]
          "--- 1\n--- 2\n--- 3", [ 2, 1, "file", YamlFault.SecondDocument ]
          "a: *b\nc: !foo d", [ 1, 4, "a", YamlFault.UnknownAnchor "b"; 2, 4, "c", YamlFault.UnknownTag "!foo" ]
          "a: &b [*b]", [ 1, 8, "a[0]", YamlFault.AliasOfItself "b" ]
          "? [a]\n: b", [ 1, 3, "file", YamlFault.KeyIsNoText ]
          "a: {<<: *b}", [ 1, 9, "a.\"<<\"", YamlFault.UnknownAnchor "b" ]
          "a: {<<: [*b, 1]}", [ 1, 10, "a.\"<<\"[0]", YamlFault.UnknownAnchor "b" ]
          "a: {<<: 1}", [ 1, 9, "a.\"<<\"", YamlFault.MergeOfNoMapping ]
          "a: &l [1]\nb: {<<: *l}", [ 1, 8, "b.\"<<\"", YamlFault.MergeOfNoMapping ]
          "a:\n  b: [::]:443", [ 2, 6, "a.b", YamlFault.UnquotedIpv6 ]
          "a:\n  - [2001:db8::1]:80\nb: 1", [ 2, 5, "a[0]", YamlFault.UnquotedIpv6 ]
          "{a: [::1]:80}", [ 1, 5, "a", YamlFault.UnquotedIpv6 ]
          "x: {a: &x 1, b: 2}", [ 1, 8, "x.a", YamlFault.AnchorInBraces ]
          "x: {a: &x \"1\", b: 2}", [ 1, 8, "x.a", YamlFault.AnchorInBraces ]
          "*a", [ 1, 1, "file", YamlFault.UnknownAnchor "a" ]
          "a: {name: *, b: c}", [ 1, 11, "a.name", YamlFault.UnknownAnchor "" ]
          "a:\n  - name: *\n    b: c", [ 2, 11, "a[0].name", YamlFault.UnknownAnchor "" ]
          "a: 1\n\u0000", [ 2, 1, "file", YamlFault.NulByte ] ],
        fun (text, expected) -> faults (read text) = expected
    )

[<Fact>]
let ``a tab that indents a line is reported where it stands, whatever tabs stand before it in text`` () =
    Law.HoldsFor(
        [ "server:\n  proxies:\n    - name: p\n      listener:\n\taddress: x", (5, 1)
          "server:\n  proxies:\n    - name: p\n\t  listener: {address: x}", (4, 1)
          "server:\n\tproxies:", (2, 1)
          "server:\r\n\tproxies:", (2, 1)
          "a:\n  - b: c\n    d:\n    \t- e: f", (4, 5)
          "a:\n\n\tb: 1", (3, 1)
          "a: 1\n\tb: 1", (2, 1)
          "a: \"1\"\n\tb: 1", (2, 1)
          "a: [1]\n\tb: 1", (2, 1)
          "- a\n\t- b", (2, 1)
          "a:\n  b: |\n    x\n    \ty\n  c:\n\td: 1", (6, 1)
          "a:\n  b: |\n    x\n    \ty\n\td: 1", (5, 1)
          "a: \"x\n\ty\"\nb:\n\tc: 1", (4, 1)
          "a: [1,\n\t2]\nb:\n\tc: 1", (4, 1)
          "a: |\n\tx\nb: 1", (2, 1)
          "a:\t1\nb:\t# c\n\td: 1", (3, 1) ],
        fun (text, (line, column)) ->
            match read text with
            | { Root = ValueNone; Faults = [ { At = at; What = YamlFault.IndentingTab } ] } -> at = { Line = line; Column = column }
            | other -> failwith $"%A{faults other}")
    Law.HoldsFor(
        [ "a:\t1\nb: 2 \t# c"; "a: |\n  x\n  \ty\nb: 1"; "a: \"x\n\ty\""; "a: [1,\n\t2]"; "a: {b: 1,\n\tc: 2}"; "-\ta" ],
        fun text -> (read text).Faults.IsEmpty)

[<Fact>]
let ``bytes that are not UTF-8 are refused where they stand`` () =
    Law.HoldsFor(
        [ [| 0xFFuy; 0xFEuy; byte 'a'; 0uy |], (1, 1), 0xFFuy
          [| byte 'a'; byte ':'; byte '\n'; byte ' '; 0xC0uy; 0x80uy |], (2, 2), 0xC0uy
          [| 0xC3uy; 0xA9uy; 0xE2uy; 0x82uy |], (1, 2), 0xE2uy
          [| 0xEDuy; 0xA0uy; 0x80uy |], (1, 1), 0xEDuy ],
        fun (bytes, (line, column), value) ->
            let document = Yaml.read (ReadOnlySpan bytes)
            document.Root.IsNone && faults document = [ line, column, "file", YamlFault.NotUtf8 value ]
    )

[<Fact>]
let ``a file of 4 MiB is read, and one of a byte more is not`` () =
    let read bytes = Yaml.read (ReadOnlySpan(Array.create bytes (byte '#')))
    Law.HoldsFor([ 4 * 1024 * 1024, true; 4 * 1024 * 1024 + 1, false ], fun (bytes, isRead) -> (read bytes).Root.IsSome = isRead)

[<Fact>]
let ``in a path a key that is no plain word stands in quotes`` () =
    Law.HoldsFor(
        [ "a b", "\"a b\""; "", "\"\""; "a.b", "\"a.b\""; "_a-1", "_a-1"; "<<", "\"<<\"" ],
        fun (name, shown) -> string (YamlPath.Root / name / 0) = shown + "[0]")

[<Fact>]
let ``what stands at a path is found where all of the path is there, and nowhere else`` () =
    let find = YamlTree.finderIn (match (read "a: [x, {b: y}]").Root with ValueSome root -> root | ValueNone -> failwith "no tree")
    Law.HoldsFor(
        [ "a[0]", "x"; "a[1].b", "y"; "a[2]", ""; "a[3]", ""; "a.b", ""; "a[0].b", ""; "b", ""; "a[1].c", "" ],
        fun (path, expected) -> (match find (YamlPath.parse path) with ValueSome node -> show node | ValueNone -> "") = expected)

[<Fact>]
let ``without its text a fault is still the same fault`` () =
    Law.HoldsFor(
        [ YamlFault.UnknownAnchor "hunter2"; YamlFault.AliasOfItself "hunter2"; YamlFault.UnknownTag "!hunter2"; YamlFault.NulByte; YamlFault.TooDeep ],
        fun fault ->
            let kind (text: string) = text.Split('"')[0]
            let told = YamlFault.describe (YamlFault.withoutText fault)
            not (told.Contains "hunter2") && kind told = kind (YamlFault.describe fault))

[<Fact>]
let ``nesting is refused beyond 32 levels, aliases counted`` () =
    let nested n = String('[', n) + String(']', n)
    Law.HoldsFor(
        [ nested 32, true
          nested 33, false
          $"- &a {nested 30}\n- [*a]", true
          $"- &a {nested 31}\n- [*a]", false
          String.replicate 32 "{a: " + String('}', 32), true
          String.replicate 33 "{a: " + String('}', 33), false ],
        fun (text, isGood) ->
            match (read text).Faults with
            | [] -> isGood
            | [ { What = YamlFault.TooDeep } ] -> not isGood
            | _ -> false
    )

[<Fact>]
let ``a million values are read and one more is refused, aliases counted for what they stand for`` () =
    let list n = "[" + String.replicate n "1," + "]"
    Law.HoldsFor(
        [ list 999_999, true
          list 1_000_000, false
          $"- &a {list 997}\n" + String.replicate 1_000 "- *a\n", true
          $"- &a {list 998}\n" + String.replicate 1_001 "- *a\n", false ],
        fun (text, isGood) ->
            match (read text).Faults with
            | [] -> isGood
            | [ { What = YamlFault.TooManyNodes } ] -> not isGood
            | _ -> false
    )

/// Every level refers nine times to the one before it: 9^9 values when expanded.
let private aliasBomb (before: string, after: string) =
    let level i =
        let aliases = String.Join(", ", Seq.replicate 9 (if i = 0 then "lol" else $"*a{i - 1}"))
        $"x-a{i}: &a{i} {before}{aliases}{after}\n"
    String.Join("", Seq.init 10 level)

let internal hostileFiles: (string * byte array) list =
    let utf8 (text: string) = Encoding.UTF8.GetBytes text
    let times n (text: string) = String.replicate n text
    [ "10 MB", Array.create 10_000_000 (byte 'a')
      "10 MB of keys", utf8 (times 1_000_000 "server: 1\n")
      "4 MB of one word", Array.create 4_000_000 (byte 'a')
      "4 MB of one key", Array.append (Array.create 4_000_000 (byte 'a')) (utf8 ": b")
      "4 MB of words", utf8 (times 1_000_000 "ab \n")
      "4 MB of tabs", Array.create 4_000_000 (byte '\t')
      "4 MB of comments", utf8 (times 2_000_000 "#\n")
      "4 MB of quotes", utf8 (times 2_000_000 "\"\n")
      "100,000 lists", utf8 (times 100_000 "[")
      "100,000 lists on lines", utf8 (times 100_000 "[\n")
      "100,000 mappings", utf8 (times 100_000 "{a: ")
      "100,000 dashes", utf8 (times 100_000 "- ")
      "100,000 question marks", utf8 (times 100_000 "? ")
      "100,000 levels of indentation", utf8 (String.Join("", Seq.init 2_000 (fun i -> String(' ', i) + "a:\n")))
      "2,000,000 list entries", utf8 ("[" + times 2_000_000 "a,")
      "an alias bomb of lists", utf8 (aliasBomb ("[", "]"))
      "an alias bomb of merges", utf8 (aliasBomb ("{<<: [", "]}"))
      "an alias bomb of keys", utf8 (times 400_000 "*a : 1\n")
      "300,000 duplicate keys", utf8 (times 300_000 "a: 1\n")
      "300,000 duplicate keys on one line", utf8 ("{" + times 300_000 "a: 1, " + "}")
      "300,000 unknown keys", utf8 (String.Join("", Seq.init 300_000 (fun i -> $"k{i}: 1\n")))
      "300,000 unknown anchors", utf8 (times 300_000 "- *a\n")
      "300,000 unknown tags", utf8 (times 300_000 "- !a b\n")
      "400,000 anchors", utf8 (String.Join("", Seq.init 400_000 (fun i -> $"- &{i} \n")))
      "1,000,000 documents", utf8 (times 1_000_000 "---\n")
      "100,000 tag directives", utf8 (String.Join("", Seq.init 100_000 (fun i -> $"%%TAG !a{i}! b\n")))
      "invalid UTF-8", Array.create 1_000_000 0xFFuy
      "NUL bytes", Array.zeroCreate 1_000_000
      "NUL bytes at the end", Array.append (utf8 (times 400_000 "a: 1\n")) [| 0uy |] ]

/// What this thread has cost so far: a machine that is busy with other things must not break a law.
let private cost () =
    let schedstat = "/proc/thread-self/schedstat"
    if File.Exists schedstat then
        TimeSpan.FromMicroseconds(float (File.ReadAllText(schedstat).Split(' ')[0]) / 1e3)
    else
        Stopwatch.GetElapsedTime 0L

[<Fact>]
let ``a hostile file is refused in bounded time`` () =
    // Once before the clock runs: compiling is no part of reading.
    ConfigFile.Read("warm.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes "a: [*b]")) |> ignore
    Law.HoldsFor(hostileFiles, fun (name, bytes) ->
        let before = cost ()
        let reading = ConfigFile.Read("hostile.yaml", ReadOnlyMemory bytes)
        let spent = cost () - before
        if spent > TimeSpan.FromSeconds 5.0 then failwith $"{name} took {spent}"
        not reading.IsUsable && reading.Errors.Count <= ConfigFile.MaxErrors + 1)

[<Fact>]
let ``a path that was written reads back as itself`` () =
    Law.Holds(fun (steps: Choice<uint16, byte> list) ->
        let step (path: YamlPath) step =
            match step with
            | Choice1Of2 name -> path / $"key_{name}"
            | Choice2Of2 index when path <> YamlPath.Root -> path / int index
            | Choice2Of2 index -> path / $"k-{index}"
        let isPlain = steps |> List.pairwise |> List.forall (fun (a, b) -> a.IsChoice1Of2 || b.IsChoice1Of2)
        let path = List.fold step YamlPath.Root steps
        not isPlain || YamlPath.parse (string path) = path)

[<Fact>]
let ``what is missing at the end is missing behind the last word`` () =
    Law.HoldsFor([ "a: {b: c"; "a: {b: c\n"; "a: {b: c\n\n\n"; "a: {b: c\r\n  " ], fun text ->
        match read text with
        | { Root = ValueNone; Faults = [ { At = at; What = YamlFault.Malformed _ } ] } -> at = { Line = 1; Column = 9 }
        | _ -> false)
