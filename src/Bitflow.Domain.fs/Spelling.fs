namespace Bitflow.Domain

open System

/// What was probably meant by a word that nobody knows.
[<RequireQualifiedAccess>]
module Spelling =
    /// The number of single-character edits between two words, swapped neighbours counting one.
    let private distance (a: string) (b: string) =
        let d = Array2D.zeroCreate (a.Length + 1) (b.Length + 1)
        for i in 0 .. a.Length do d[i, 0] <- i
        for j in 0 .. b.Length do d[0, j] <- j
        for i in 1 .. a.Length do
            for j in 1 .. b.Length do
                let cost = if a[i - 1] = b[j - 1] then 0 else 1
                d[i, j] <- min (min (d[i - 1, j] + 1) (d[i, j - 1] + 1)) (d[i - 1, j - 1] + cost)
                if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                    d[i, j] <- min d[i, j] (d[i - 2, j - 2] + 1)
        d[a.Length, b.Length]

    /// The distance, and little more where a word is a good beginning or end of the known one (`shutdown`, `timeout`), whatever it leaves out.
    let private unlikeness (word: string) (known: string) =
        let partial (part: string) = 2 + distance word part
        let length = min word.Length known.Length
        min (distance word known) (min (partial (known.Substring(0, length))) (partial (known.Substring(known.Length - length))))

    /// Nothing known is that long, and the work grows with the length.
    let private beginning (word: string) = word.Substring(0, min word.Length 64)

    /// The known word that is written most like a word; the first of several.
    let nearest (word: string) (known: string list) : string voption =
        let word = (beginning word).ToLowerInvariant().Replace('-', '_')
        match known with
        | [] -> ValueNone
        | _ -> ValueSome(known |> List.minBy (unlikeness word))

    /// The nearest known word, where it is near enough to be what was meant: one begins with the other, or at most every third
    /// character differs.
    let similar (word: string) (known: string list) : string voption =
        let word = beginning word
        match nearest word known with
        | ValueSome near when word <> "" && (near.StartsWith(word, StringComparison.OrdinalIgnoreCase) || word.StartsWith(near, StringComparison.OrdinalIgnoreCase)) ->
            ValueSome near
        | ValueSome near when 3 * distance (word.ToLowerInvariant()) near <= max word.Length near.Length + 1 -> ValueSome near
        | _ -> ValueNone
