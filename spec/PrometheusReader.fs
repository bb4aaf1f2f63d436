/// A reader of Prometheus's text exposition format that is as strict as promtool: it knows the format and nothing of the writer.
module Bitflow.Spec.PrometheusReader

open System
open System.Globalization
open System.Text

type Line =
    | Help of name: string * text: string
    | Type of name: string * kind: string
    | Sample of name: string * labels: (string * string) list * value: float

let private fail (line: string) = failwith $"not in the exposition format: {line}"
let private isNameStart c = Char.IsAsciiLetter c || c = '_' || c = ':'
let private isName c = isNameStart c || Char.IsAsciiDigit c

let private unescape quoted (text: string) =
    let result = StringBuilder()
    let mutable i = 0
    while i < text.Length do
        if text[i] = '\\' then
            i <- i + 1
            match (if i < text.Length then text[i] else ' ') with
            | '\\' -> result.Append '\\' |> ignore
            | 'n' -> result.Append '\n' |> ignore
            | '"' when quoted -> result.Append '"' |> ignore
            | _ -> fail text
        else
            result.Append text[i] |> ignore
        i <- i + 1
    result.ToString()

let private value (text: string) =
    match text with
    | "NaN" -> nan
    | "+Inf" -> infinity
    | "-Inf" -> -infinity
    | _ ->
        match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
        | true, value when Double.IsFinite value -> value
        | _ -> fail text

let private name (text: string) =
    if text <> "" && isNameStart text[0] && Seq.forall isName text then text else fail text

let private sample (line: string) =
    let mutable i = 0
    while i < line.Length && isName line[i] do i <- i + 1
    let metric = name (line.Substring(0, i))
    let labels = ResizeArray()
    if i < line.Length && line[i] = '{' then
        i <- i + 1
        while i < line.Length && line[i] <> '}' do
            let start = i
            while i < line.Length && isName line[i] do i <- i + 1
            let key = name (line.Substring(start, i - start))
            if key.Contains ':' || not (line.AsSpan(i).StartsWith "=\"") then fail line
            i <- i + 2
            let start = i
            while i < line.Length && line[i] <> '"' do
                i <- i + (if line[i] = '\\' then 2 else 1)
            if i >= line.Length then fail line
            labels.Add(key, unescape true (line.Substring(start, i - start)))
            i <- i + 1
            if i < line.Length && line[i] = ',' then i <- i + 1
            elif i >= line.Length || line[i] <> '}' then fail line
        if i >= line.Length then fail line
        i <- i + 1
    if i >= line.Length || line[i] <> ' ' then fail line
    Sample(metric, List.ofSeq labels, value (line.Substring(i + 1)))

/// The lines of a text; throws where one is not in the format.
let parse (text: string) : Line list =
    if text <> "" && not (text.EndsWith '\n') then fail "the last line has no end"
    [ for line in (text.Split '\n')[.. (if text = "" then -1 else text.Split('\n').Length - 2)] do
          let comment (keyword: string) = line.StartsWith($"# {keyword} ", StringComparison.Ordinal)
          let parts = line.Split(' ', 4)
          if comment "HELP" then Help(name parts[2], unescape false (if parts.Length > 3 then parts[3] else ""))
          elif comment "TYPE" && parts.Length = 4 then Type(name parts[2], parts[3])
          else sample line ]

/// A family as it stands in the text: its name and type, and the samples below it.
type private Family =
    { Name: string
      Kind: string
      Samples: (string * (string * string) list * float) list }

/// Cuts the lines into families; each begins with its HELP and its TYPE.
let private families (lines: Line list) =
    let rec cut found rest =
        match rest with
        | [] -> List.rev found
        | Help(name, help) :: Type(name', kind) :: rest when name = name' && help <> "" ->
            let samples = rest |> List.takeWhile _.IsSample |> List.choose (function Sample(n, l, v) -> Some(n, l, v) | _ -> None)
            cut ({ Name = name; Kind = kind; Samples = samples } :: found) (List.skip samples.Length rest)
        | line :: _ -> failwith $"no family begins with {line}"
    cut [] lines

let private histogramProblems (family: Family) =
    let without = List.filter (fun (key, _) -> key <> "le")
    [ for labels, samples in family.Samples |> List.groupBy (fun (_, labels, _) -> without labels) do
          let of' suffix = samples |> List.filter (fun (name, _, _) -> name = family.Name + suffix)
          let buckets =
              [ for _, labels, count in of' "_bucket" do
                    match labels |> List.tryFind (fun (key, _) -> key = "le") with
                    | Some(_, bound) -> value bound, count
                    | None -> nan, count ]
          match of' "_count", of' "_sum" with
          | [ _, _, count ], [ _ ] ->
              let bounds, counts = List.unzip buckets
              if bounds <> (bounds |> List.distinct |> List.sort) then $"{family.Name}{labels}: the bounds do not ascend"
              if counts <> List.sort counts then $"{family.Name}{labels}: the buckets are not cumulative"
              if List.tryLast buckets <> Some(infinity, count) then $"{family.Name}{labels}: the last bucket is not +Inf with the count"
              if samples.Length <> buckets.Length + 2 then $"{family.Name}{labels}: has samples that are no part of a histogram"
          | _ -> $"{family.Name}{labels}: has no _count or no _sum" ]

let private familyProblems (family: Family) =
    [ match family.Kind with
      | "counter"
      | "gauge" ->
          for name, _, _ in family.Samples do
              if name <> family.Name then $"{name} stands below {family.Name}"
          if (family.Kind = "counter") <> family.Name.EndsWith "_total" then $"{family.Name} is a {family.Kind}"
      | "histogram" -> yield! histogramProblems family
      | kind -> $"{family.Name}: there is no type {kind}"
      if family.Samples.IsEmpty then $"{family.Name} has no sample"
      for name, labels, value in family.Samples do
          if family.Kind <> "gauge" && not (value >= 0.0) then $"{name}{labels} is {value}"
          if (labels |> List.distinctBy fst).Length <> labels.Length then $"{name}{labels}: a label stands twice"
      for (name, labels), same in family.Samples |> List.groupBy (fun (name, labels, _) -> name, List.sort labels) do
          if same.Length > 1 then $"{name}{labels} stands twice" ]

/// Everything that is wrong with a text; nothing where promtool would be content.
[<CompiledName "Problems">]
let problems (text: string) : string list =
    try
        let families = families (parse text)
        [ for name, same in families |> List.groupBy _.Name do
              if same.Length > 1 then $"{name} is torn apart"
          yield! families |> List.collect familyProblems ]
    with Failure why ->
        [ why ]

/// The value of the one sample with a name and labels; none where there is no such sample.
[<CompiledName "Find">]
let find (text: string) (metric: string) (labels: (string * string) seq) : float option =
    let wanted = labels |> Seq.sort |> Seq.toList
    parse text
    |> List.tryPick (function
        | Sample(name, labels, value) when name = metric && List.sort labels = wanted -> Some value
        | _ -> None)
