/// The laws without a test framework: what `spec/mutate.fsx` has judge the mutants of the core.
module Bitflow.Spec.Judge

open System
open System.Reflection
open System.Runtime.CompilerServices
open Xunit
open Bitflow.Domain

let private lawsOf (chapter: Type) =
    [ for law in chapter.GetMethods() do
          // A law about the clock on the wall says nothing while the machine is busy.
          if not (isNull (law.GetCustomAttribute<FactAttribute>())) && not (law.Name.Contains "bounded time") then chapter, law ]

let private holds (_: Type, law: MethodInfo) =
    try
        law.Invoke(null, [||]) |> ignore
        true
    with _ ->
        false

/// Values that are made once are made now: none may be made while a mutant is in force, and outlive it.
let private makeValues () =
    for assembly in [ typeof<Duration>.Assembly; Assembly.GetExecutingAssembly() ] do
        for each in assembly.GetTypes() do
            if not each.ContainsGenericParameters then
                try RuntimeHelpers.RunClassConstructor each.TypeHandle with _ -> ()

/// Each line asked is the number of a mutant and the chapters to judge it by (none: all); each line answered is the
/// number, and the first law that does not hold.
[<EntryPoint>]
let main _ =
    let assembly = Assembly.GetExecutingAssembly()
    makeValues ()
    let switch = typeof<Duration>.Assembly.GetType("Bitflow.Domain.Mutant")
    let number = if isNull switch then null else switch.GetProperty("number", BindingFlags.Static ||| BindingFlags.NonPublic ||| BindingFlags.Public)
    let mutable line = Console.In.ReadLine()
    while not (isNull line) do
        let words = line.Split([| ' ' |], StringSplitOptions.RemoveEmptyEntries)
        let chapters =
            match List.ofArray (Array.tail words) with
            | [] -> assembly.GetTypes() |> Array.filter (fun t -> t.Name.EndsWith "Laws") |> Array.toList
            | names -> names |> List.map (fun name -> assembly.GetType($"Bitflow.Spec.{name}", true))
        if not (isNull number) then number.SetValue(null, int words[0])
        match chapters |> List.collect lawsOf |> List.tryFind (holds >> not) with
        | Some(chapter, law) -> Console.Out.WriteLine $"{words[0]}\t{chapter.Name}: {law.Name}"
        | None -> Console.Out.WriteLine $"{words[0]}\t"
        Console.Out.Flush()
        line <- Console.In.ReadLine()
    0
