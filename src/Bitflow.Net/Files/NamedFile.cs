using Bitflow.Domain;

namespace Bitflow.Net.Files;

/// <summary>A file that somebody named, read whole: whatever it is, a device that never ends too, it is read no further than a bound.</summary>
internal static class NamedFile
{
    /// <summary>Null where there is nothing to go on with; <paramref name="problem"/> then says why.</summary>
    public static ReadOnlyMemory<byte>? Read(string path, out string problem)
    {
        problem = "";
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            if (ReadWhole(file) is { } bytes)
                return bytes;
            problem = $"{Shown.Escaped(path)}: {FileLimit.Excess}";
        }
        catch (Exception e) when (FileProblem.Is(e))
        {
            problem = FileProblem.Describe(path, e);
        }

        return null;
    }

    /// <summary>Null where there is more. What a file says of its length is only where to begin: devices and pipes say nothing, and files grow.</summary>
    private static ReadOnlyMemory<byte>? ReadWhole(FileStream file)
    {
        const int UsualBytes = 64 * 1024;
        byte[] bytes = new byte[file.CanSeek ? (int)Math.Clamp(file.Length + 1, UsualBytes, FileLimit.maxBytes + 1) : UsualBytes];
        int length = 0;
        for (int count; (count = file.Read(bytes, length, bytes.Length - length)) > 0;)
        {
            length += count;
            if (length > FileLimit.maxBytes)
                return null;
            if (length == bytes.Length)
                Array.Resize(ref bytes, Math.Min(2 * length, FileLimit.maxBytes + 1));
        }

        return bytes.AsMemory(0, length);
    }
}
