namespace Bitflow.Domain

open System
open System.Collections.Generic

/// What reading a configuration file came to. Every text is one line, `FILE:LINE:COLUMN: PATH: what is wrong, and
/// what would be right`, in the order of the file; the first 100 errors, then a line with the number of the rest.
[<Sealed; AllowNullLiteral>]
type ConfigReading
    internal
    (
        config: Config voption,
        errors: IReadOnlyList<string>,
        warnings: Lazy<string array>,
        line: YamlPath -> string -> string
    ) =
    /// Whether there is a `Config`; if not, there is at least one error.
    member _.IsUsable = config.IsSome
    /// The configuration. Only to be asked for when `IsUsable`.
    member _.Config =
        match config with
        | ValueSome config -> config
        | ValueNone -> invalidOp "a file with errors has no configuration"
    member _.Errors = errors
    /// Written out when they are asked for: who logs no warnings does not wait for their words.
    member _.Warnings : IReadOnlyList<string> = warnings.Value

    /// A message about a key in the form of the reader's own, with the key's place in the file: for what only the
    /// shell can know, such as a certificate that cannot be read. The path is written as in messages,
    /// `server.proxies[0].listener.tls_context.certificates[0].key`.
    member _.Line(path: string, message: string) = line (YamlPath.parse path) message

[<Sealed; AbstractClass>]
type ConfigFile =
    /// How many errors are written out.
    static member MaxErrors = FindingLines.maxErrors

    /// Reads the bytes of a configuration file. Never throws, whatever the bytes are; the name only stands in messages.
    static member Read(fileName: string, bytes: ReadOnlyMemory<byte>) : ConfigReading =
        let document = Yaml.read bytes.Span
        let findings = FindingLines.ofDocument document
        let root = document.Root |> ValueOption.defaultValue { At = Position.Start; Value = YamlValue.Null }

        let shared = if document.HasAliases then SharedSecrets.In root else SharedSecrets.None
        findings.Errors.AddRange shared.Faults

        let find = YamlTree.finderIn root

        /// The place of a path, or of as much of it as there is.
        let rec placeOf path =
            match find path, path with
            | ValueSome node, _ -> node.At
            | ValueNone, (YamlPath.Key(parent, _) | YamlPath.Element(parent, _)) -> placeOf parent
            | ValueNone, YamlPath.Root -> Position.Start

        let config =
            if document.Root.IsSome then
                let config = ConfigKeys.read { Node = root; Path = YamlPath.Root; Findings = findings }
                let subject: ConfigRules.Subject = { Config = config; Find = find }
                for rule in ConfigRules.all do
                    for finding in rule subject do
                        match finding with
                        | ConfigRules.Finding.Wrong(path, fault) -> findings.Wrong(placeOf path, path, fault)
                        | ConfigRules.Finding.Doubtful(path, warning) -> findings.Doubtful(placeOf path, path, warning)
                if findings.Errors.Count = 0 then ValueSome config else ValueNone
            else
                ValueNone

        let errors =
            FindingLines.faults findings
            |> List.filter (fun found -> not (shared.Explain found))
            |> List.map ConfigFault.withoutSecrets
            |> FindingLines.ofFaults fileName
        let warnings = lazy (if config.IsSome then FindingLines.ofWarnings fileName findings else [||])
        ConfigReading(config, errors, warnings, (fun path message -> FindingLines.line fileName (placeOf path) path message))
