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

    let private normal (word: string) = (beginning word).ToLowerInvariant().Replace('-', '_')

    /// The known word that is written most like a word; the first of several.
    let nearest (word: string) (known: string list) : string voption =
        let word = normal word
        match known with
        | [] -> ValueNone
        | _ -> ValueSome(known |> List.minBy (unlikeness word))

    /// Whether at most every third character differs.
    let private isNear (word: string) (known: string) = 3 * distance word known <= max word.Length known.Length + 1

    /// The words that a key is put together of; `a` or `of` says nothing.
    let private parts (word: string) = word.Split '_' |> Array.filter (fun part -> part.Length > 2)

    /// Whether one may stand for the other: it is its beginning, is within it, shares a word with it, or differs little from it, or from its beginning or end.
    let private isAlike (word: string) (known: string) =
        let within (part: string) (whole: string) = part <> "" && (whole.StartsWith(part, StringComparison.Ordinal) || (part.Length > 2 && whole.Contains part))
        let length = min word.Length known.Length
        within word known
        || within known word
        || parts word |> Array.exists (fun part -> Array.contains part (parts known))
        || isNear word known
        // Of four letters too many beginnings and ends differ by one alone.
        || (word.Length > 4 && (isNear word (known.Substring(0, length)) || isNear word (known.Substring(known.Length - length))))

    /// The nearest known word that a word may have been meant for; none where it is like none.
    let similar (word: string) (known: string list) : string voption =
        let word = normal word
        known |> List.filter (fun known -> word <> "" && isAlike word (normal known)) |> nearest word
