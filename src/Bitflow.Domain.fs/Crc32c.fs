namespace Bitflow.Domain

open System
open System.Numerics

/// CRC-32C (Castagnoli), reflected, as the PROXY protocol's checksum uses it (TLV-1).
[<RequireQualifiedAccess>]
module Crc32c =
    /// The checksum of the bytes, with four of them, from an offset on, read as zeros: a header's checksum covers
    /// its own field as zeros. A negative offset leaves every byte as it is.
    let ofBytesWithHole (bytes: ReadOnlySpan<byte>) (hole: int) : uint32 =
        let mutable crc = UInt32.MaxValue
        for i in 0 .. bytes.Length - 1 do
            let b = if hole >= 0 && i >= hole && i < hole + 4 then 0uy else bytes[i]
            crc <- BitOperations.Crc32C(crc, b)
        ~~~crc
