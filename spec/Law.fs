namespace Bitflow.Spec

open System
open System.IO
open System.Runtime.CompilerServices
open FsCheck
open FsCheck.FSharp

/// How a law is held: the one door between xunit and FsCheck.
///
/// The number of cases is 1,000 unless the environment variable CASES says otherwise. A failure prints the seed,
/// which REPLAY (as printed, for example `REPLAY=123,457`) runs again. With LAWS_FILE set, every law that held
/// appends its name and number of cases to that file; `make spec` prints it.
[<Sealed; AbstractClass>]
type Law =
    /// All generators of the specification, by their registering types.
    static member Generators: Type list =
        [ typeof<WordGenerators>
          typeof<WireGenerators>
          typeof<TlsGenerators>
          typeof<DecisionGenerators>
          typeof<OperatorGenerators>
          typeof<ConfigGenerators> ]

    static member Cases =
        match Int32.TryParse(Environment.GetEnvironmentVariable "CASES") with
        | true, n when n > 0 -> n
        | _ -> 1_000

    static member private Note(file: string, name: string, cases: int) =
        match Environment.GetEnvironmentVariable "LAWS_FILE" with
        | null
        | "" -> ()
        | path ->
            // Test classes run in parallel; one line is one append.
            lock typeof<Law> (fun () ->
                File.AppendAllText(path, $"{Path.GetFileNameWithoutExtension file}\t{name}\t{cases}\n"))

    /// The property holds for every generated input.
    static member Holds
        (property: 'Testable, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string)
        : unit =
        let name, file = defaultArg name "", defaultArg file ""
        let config =
            Config.QuickThrowOnFailure
                .WithMaxTest(Law.Cases)
                .WithName(name)
                .WithArbitrary(Law.Generators)
        let config =
            match Environment.GetEnvironmentVariable "REPLAY" with
            | null
            | "" -> config
            | text ->
                let parts = text.Split ','
                config.WithReplay(Some { Rnd = Rnd(UInt64.Parse parts[0], UInt64.Parse parts[1]); Size = None })
        Check.One(config, property)
        Law.Note(file, name, Law.Cases)

    /// The property holds for every generated input, and speaks of one in fifty at the least: a law whose premise is hardly ever met holds nothing.
    /// The property is given what counts its premise, and answers what it is given.
    static member HoldsWhere
        (property: (bool -> bool) -> 'Testable, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string)
        : unit =
        let met = ref 0
        let premise isMet =
            if isMet then met.Value <- met.Value + 1
            isMet
        Law.Holds(property premise, ?name = name, ?file = file)
        if met.Value < Law.Cases / 50 then failwith $"in {Law.Cases} cases the premise was met {met.Value} times"

    /// Whatever the input, an answer is given: nothing is thrown.
    static member NeverThrows
        (answer: 'Input -> 'Answer, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string)
        : unit =
        Law.Holds((fun input -> answer input |> ignore), ?name = name, ?file = file)

    /// The law holds for each of these cases: a specification's own vectors, a small space enumerated completely,
    /// or the bytes of a fault once found.
    static member HoldsFor
        (cases: 'Case seq, law: 'Case -> bool, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string)
        : unit =
        let cases = Seq.toArray cases
        if cases.Length = 0 then failwith "a law without a case holds nothing"
        for case in cases do
            if not (law case) then failwith $"does not hold for %A{case}"
        Law.Note(defaultArg file "", defaultArg name "", cases.Length)
