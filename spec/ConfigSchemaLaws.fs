module Bitflow.Spec.ConfigSchemaLaws

open System
open System.IO
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private schema = JsonDocument.Parse(ConfigSchema.JsonSchema).RootElement

/// A validator of the part of JSON Schema that the schema is written in; a word outside it fails the law.
let rec private accepts (schema: JsonElement) (value: JsonElement) : bool =
    let isObject = value.ValueKind = JsonValueKind.Object
    let isText = value.ValueKind = JsonValueKind.String
    let isNumber = value.ValueKind = JsonValueKind.Number
    let typed name =
        match name with
        | "object" -> isObject
        | "array" -> value.ValueKind = JsonValueKind.Array
        | "string" -> isText
        | "number" -> isNumber
        | "integer" -> isNumber && Math.Truncate(value.GetDecimal()) = value.GetDecimal()
        | "boolean" -> value.ValueKind = JsonValueKind.True || value.ValueKind = JsonValueKind.False
        | other -> failwith $"no type is called {other}"
    let properties = match schema.TryGetProperty "properties" with | true, found -> Some found | _ -> None
    let patterns = match schema.TryGetProperty "patternProperties" with | true, found -> [ for p in found.EnumerateObject() -> p.Name ] | _ -> []
    let keyword (word: JsonProperty) =
        let argument = word.Value
        match word.Name with
        | "$schema"
        | "title"
        | "description"
        | "patternProperties" -> true
        | "type" when argument.ValueKind = JsonValueKind.Array -> [ for name in argument.EnumerateArray() -> name.GetString() ] |> List.exists typed
        | "type" -> typed (argument.GetString())
        | "enum" -> argument.EnumerateArray() |> Seq.exists (fun allowed -> JsonElement.DeepEquals(allowed, value))
        | "const" -> JsonElement.DeepEquals(argument, value)
        | "anyOf" -> argument.EnumerateArray() |> Seq.exists (fun choice -> accepts choice value)
        | "pattern" -> not isText || Regex.IsMatch(value.GetString(), argument.GetString(), RegexOptions.ECMAScript)
        | "minLength" -> not isText || value.GetString().Length >= argument.GetInt32()
        | "maxLength" -> not isText || value.GetString().Length <= argument.GetInt32()
        | "minimum" -> not isNumber || value.GetDecimal() >= argument.GetDecimal()
        | "maximum" -> not isNumber || value.GetDecimal() <= argument.GetDecimal()
        | "minItems" -> value.ValueKind <> JsonValueKind.Array || value.GetArrayLength() >= argument.GetInt32()
        | "items" -> value.ValueKind <> JsonValueKind.Array || value.EnumerateArray() |> Seq.forall (accepts argument)
        | "required" -> not isObject || argument.EnumerateArray() |> Seq.forall (fun name -> fst (value.TryGetProperty(name.GetString())))
        | "properties" ->
            not isObject
            || value.EnumerateObject()
               |> Seq.forall (fun p ->
                   match argument.TryGetProperty p.Name with
                   | true, inner -> accepts inner p.Value
                   | _ -> true)
        | "additionalProperties" ->
            let isKnown (name: string) =
                (match properties with Some known -> fst (known.TryGetProperty name) | None -> false)
                || patterns |> List.exists (fun pattern -> Regex.IsMatch(name, pattern))
            not isObject || argument.GetBoolean() || value.EnumerateObject() |> Seq.forall (fun p -> isKnown p.Name)
        | other -> failwith $"the schema uses a word that no law knows: {other}"
    schema.EnumerateObject() |> Seq.forall keyword

/// What an editor's YAML makes of a file.
let rec private json (written: Written) : string =
    match written with
    | Written.Plain("true" | "false" as word) -> word
    | Written.Plain text when Regex.IsMatch(text, @"^-?[0-9]+(\.[0-9]+)?$") -> text
    | Written.Plain text
    | Written.Quoted text -> JsonSerializer.Serialize text
    | Written.List items -> "[" + String.Join(",", List.map json items) + "]"
    | Written.Map members -> "{" + String.Join(",", members |> List.map (fun (name, value) -> $"\"{name}\":{json value}")) + "}"

let private isAccepted (text: string) = accepts schema (JsonDocument.Parse(text).RootElement)

[<Fact>]
let ``the schema says which draft it is written in`` () =
    Law.HoldsFor([ "$schema", "https://json-schema.org/draft/2020-12/schema" ], fun (name, value) -> schema.GetProperty(name).GetString() = value)

[<Fact>]
let ``the schema has every key, with its description`` () =
    Law.HoldsFor(KeyTable.paths ConfigKeys.all, fun (path, key) ->
        let step (schema: JsonElement) (name: string) =
            let found = schema.GetProperty("properties").GetProperty(name.Replace("[]", ""))
            if name.EndsWith "[]" && fst (found.TryGetProperty "items") then found.GetProperty "items" else found
        let steps = path.Split '.'
        let parent = Array.fold step schema steps[.. steps.Length - 2]
        let found = parent.GetProperty("properties").GetProperty key.Name
        found.GetProperty("description").GetString().StartsWith key.Doc
        && (key.Doc.EndsWith '.')
        && (not key.IsRequired || parent.GetProperty("required").EnumerateArray() |> Seq.exists (fun name -> name.GetString() = key.Name)))

[<Fact>]
let ``what the reader accepts the schema accepts`` () =
    Law.Holds(fun (ValidConfig config) (isFull: bool) -> isAccepted (json (Written.ofConfig isFull config)))

[<Fact>]
let ``whatever the reader takes for a boolean, and an empty text for an omitted choice, the schema takes too`` () =
    let file options = $"{{server: {{proxies: [{{name: a, listener: {{address: ':1'}}, targets: [{{name: t, address: 'h:1'}}], options: {{{options}}}}}]}}}}"
    let isRead options = ConfigFile.Read("a.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes(file options))).IsUsable
    let isTaken (key: string) (value: string) = isAccepted ($"{{\"server\":{{\"proxies\":[{{\"name\":\"a\",\"listener\":{{\"address\":\":1\"}},\"targets\":[{{\"name\":\"t\",\"address\":\"h:1\"}}],\"options\":{{\"{key}\":{value}}}}}]}}}}")
    // Editors speak YAML 1.2, to which these are words.
    let words = [ "yes"; "Yes"; "YES"; "no"; "No"; "NO"; "on"; "On"; "ON"; "off"; "Off"; "OFF"; "y"; "Y"; "n"; "N"; "yEs"; "t"; "1"; "" ]
    Law.HoldsFor(words, fun word -> isTaken "enable_proxy_header" $"\"{word}\"" = (word <> "" && isRead $"enable_proxy_header: {word}"))
    Law.HoldsFor([ "connection_load_balancer"; "proxy_header_version" ], fun key -> isTaken key "\"\"" && isRead $"{key}: ''")

[<Fact>]
let ``the schema takes a scalar exactly where the reader does`` () =
    let file listener = $"{{server: {{proxies: [{{name: a, listener: {{address: ':1', {listener}}}, targets: [{{name: t, address: 'h:1'}}]}}]}}}}"
    let isRead (key: string) (value: string) = ConfigFile.Read("a.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes(file $"{key}: {value}"))).IsUsable
    let isTaken (key: string) (value: string) = isAccepted ($"{{\"server\":{{\"proxies\":[{{\"name\":\"a\",\"listener\":{{\"address\":\":1\",\"{key}\":{value}}},\"targets\":[{{\"name\":\"t\",\"address\":\"h:1\"}}]}}]}}}}")
    let durations = [ "0"; "+0"; "-0"; "0s"; "-0s"; "-0.0s"; "-.0h"; "-0h0m0.00s"; "-0.1s"; "-1s"; "+1s"; "1.5h2m"; ".5s"; "1.s"; "5"; ""; "-"; "s"; "1x"; "00"; "-00"; "1e3s" ]
    Law.HoldsFor(durations, fun text -> isTaken "read_timeout" $"\"{text}\"" = isRead "read_timeout" $"'{text}'")
    let tls protocols = $"{{\"certificates\":[{{\"key\":\"k\",\"certificate\":\"c\"}}],\"application_protocols\":{protocols}}}"
    Law.HoldsFor([ "[1000]"; "[true]"; "[1.5]"; "[\"h2\"]"; "[\"\"]"; "[]"; "1000"; "\"h2\"" ], fun protocols -> isTaken "tls_context" (tls protocols) = isRead "tls_context" (tls protocols))

[<Fact>]
let ``what is of the wrong shape, unknown or missing the schema refuses too`` () =
    let good = "{\"name\":\"a\",\"listener\":{\"address\":\":1\"},\"targets\":[{\"name\":\"t\",\"address\":\"h:1\"}]}"
    let file proxy = "{\"server\":{\"proxies\":[" + proxy + "]}}"
    Law.HoldsFor(
        [ file good, true
          file (good.Replace("\":1\"", "{}")), false
          file (good.Replace("\"name\":\"a\",", "")), false
          file (good.Replace("listener", "listner")), false
          file (good.Replace("{\"address\":\":1\"}", "{\"address\":\":1\",\"read_timeout\":5}")), false
          file (good.Replace("{\"address\":\":1\"}", "{\"address\":\":1\",\"read_timeout\":\"5\"}")), false
          file (good.Replace("{\"address\":\":1\"}", "{\"address\":\":1\",\"read_timeout\":\"-5s\"}")), false
          file (good.Replace("{\"address\":\":1\"}", "{\"address\":\":1\",\"read_timeout\":0}")), true
          file (good.Replace("\"h:1\"", "\"h:1\",\"connect_attempts\":1001")), false
          file (good.Replace("\"h:1\"", "\"h:1\",\"keepalive_interval\":-1")), true
          file (good.Replace("\"h:1\"", "\"h:1\",\"connect_timeout\":-1")), false
          file "", false
          "{}", false
          "{\"x-mine\":5," + (file good).Substring 1, true
          "{\"mine\":5," + (file good).Substring 1, false ],
        fun (text, isGood) -> isAccepted text = isGood
    )

let private documentation = File.ReadAllText(Path.Combine(ConfigFileLaws.repository, "docs", "configuration.md"))

[<Fact>]
let ``the documentation's tables of keys are the descriptions' own`` () =
    Law.HoldsFor(
        [ "configuration.md", "ConfigKeys.fs", ConfigKeys.all; "before-it-serves.md", "ScenarioFile.fs", ScenarioFile.keys ],
        fun (page, source, keys) ->
            let path = Path.Combine(ConfigFileLaws.repository, "docs", page)
            let text = File.ReadAllText path
            let start, finish = $"<!-- keys: generated from the descriptions in {source} -->\n", "<!-- /keys -->"
            let from = text.IndexOf start + start.Length
            let table = text.Substring(from, text.IndexOf finish - from)
            // `BITFLOW_WRITE_DOCS=1` writes the table instead of holding it.
            if Environment.GetEnvironmentVariable "BITFLOW_WRITE_DOCS" = "1" then
                File.WriteAllText(path, text.Remove(from, table.Length).Insert(from, KeyTable.markdown keys))
                true
            else
                table = KeyTable.markdown keys)

[<Fact>]
let ``every whole file in the documentation is a configuration without a doubt`` () =
    let files = Regex.Matches(documentation, "(?<!<!-- file: faulty.yaml -->\n)```yaml\n(.*?)```", RegexOptions.Singleline) |> Seq.map (fun found -> found.Groups[1].Value) |> Seq.filter (fun text -> text.Contains "server:")
    Law.HoldsFor(files, fun text ->
        let reading = ConfigFile.Read("example.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes text))
        if not reading.IsUsable || reading.Warnings.Count > 0 then failwithf "%A %A" (List.ofSeq reading.Errors) (List.ofSeq reading.Warnings)
        true)

[<Fact>]
let ``every refused file in the notes on migration is refused, in the words that stand there`` () =
    let notes = File.ReadAllText(Path.Combine(ConfigFileLaws.repository, "docs", "migration.md"))
    let rows = Regex.Matches(notes, @"^\| `([^`]+)` \| `([^`]+)` \|", RegexOptions.Multiline) |> Seq.map (fun found -> found.Groups[1].Value, found.Groups[2].Value) |> Seq.toList
    let file (line: string) =
        let proxy listener target options = $"{{name: a, listener: {{address: ':80'{listener}}}, targets: [{{name: t, address: 'h:1'{target}}}], options: {{{options}}}}}"
        let where, setting =
            match line.IndexOf ": " with
            | at -> line.Substring(0, at), line.Substring(at + 2)
        let server proxy = $"server: {{proxies: [{proxy}]}}"
        match where.Split '.' with
        | [| "application"; section; key |] -> $"application: {{{section}: {{{key}: {setting}}}}}\n" + server (proxy "" "" "")
        | [| "application"; key |] -> $"application: {{{key}: {setting}}}\n" + server (proxy "" "" "")
        | [| "listener"; key |] -> server (proxy $", {key}: {setting}" "" "")
        | [| "target"; key |] -> server (proxy "" $", {key}: {setting}" "")
        | [| "options"; key |] -> server (proxy "" "" $"{key}: {setting}")
        | _ -> failwith $"no place: {line}"
    Law.HoldsFor(rows, fun (line, words) ->
        let text = file line
        let reading = ConfigFile.Read("old.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes text))
        if not (reading.Errors |> Seq.exists (fun error -> error.Contains words)) then failwithf "%s: %A" line (List.ofSeq reading.Errors)
        true)
