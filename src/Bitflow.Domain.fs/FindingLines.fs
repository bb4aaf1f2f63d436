namespace Bitflow.Domain

open System.Collections.Generic

/// What was found in a file, as people are told it: one line each, `FILE:LINE:COLUMN: PATH: what is wrong, and what would be right`,
/// in the order of the file.
[<RequireQualifiedAccess>]
module internal FindingLines =
    /// How many errors are written out.
    let maxErrors = 100

    /// What is wrong with a file before anything is asked of its keys.
    let ofDocument (document: YamlDocument) : Findings =
        let findings = Findings()
        for found in document.Faults do
            findings.Wrong(found.At, found.Path, ConfigFault.Yaml found.What)
        findings

    let line (fileName: string) (at: Position) (path: YamlPath) (message: string) : string =
        $"{Shown.escaped fileName}:{at.Line}:{at.Column}: " + Shown.line $"{Shown.shortened 160 (string path)}: {message}"

    let private inOrder (found: ResizeArray<Found<'T>>) =
        found |> List.ofSeq |> List.sortWith (fun one other -> compare one.At other.At)

    /// The errors in the order of the file, without those that only follow from another.
    let faults (findings: Findings) : Found<ConfigFault> list =
        // An alias of nothing is nothing: that a value is missing where it stands is no second fault.
        let ofAliases = HashSet<YamlPath>()
        for found in findings.Errors do
            match found.What with
            | ConfigFault.Yaml(YamlFault.UnknownAnchor _) -> ofAliases.Add found.Path |> ignore
            | _ -> ()
        let isConsequence (found: Found<ConfigFault>) =
            match found.What with
            | ConfigFault.Yaml _ -> false
            | _ -> ofAliases.Contains found.Path
        inOrder findings.Errors |> List.filter (isConsequence >> not)

    /// The first `maxErrors` faults, then a line with the number of the rest.
    let ofFaults (fileName: string) (faults: Found<ConfigFault> list) : string array =
        [| for found in List.truncate maxErrors faults do
               line fileName found.At found.Path (ConfigFault.describe found.What)
           if faults.Length > maxErrors then $"{Shown.escaped fileName}: {faults.Length - maxErrors} more errors" |]

    let ofWarnings (fileName: string) (findings: Findings) : string array =
        [| for found in inOrder findings.Warnings -> line fileName found.At found.Path (ConfigWarning.describe found.What) |]
