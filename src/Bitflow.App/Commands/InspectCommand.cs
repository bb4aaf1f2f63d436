using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.App.Commands;

/// <summary>`bitflow inspect`: what the program's own parsers see in captured bytes. Exit status 1 where they are not whole or not valid.</summary>
internal static class InspectCommand
{
    public static int Run(InspectSubject subject, string input)
    {
        if (Bytes(input, out string problem) is not { } bytes)
        {
            Screen.Complain(Tone.Bad, $"bitflow: {problem}");
            return ExitStatus.Unusable;
        }

        (string seen, bool isWhole) = subject.IsHello ? Inspect.Hello(bytes) : Inspect.ProxyHeader(bytes);
        Screen.Write(seen);
        return isWhole ? ExitStatus.Done : ExitStatus.Failed;
    }

    /// <summary>Hexadecimal text, unless a file has that very name.</summary>
    private static byte[]? Bytes(string input, out string problem)
    {
        problem = "";
        bool isFile = Path.Exists(input);
        if (!isFile && Inspect.TryHex(input) is { IsSome: true } hex)
            return hex.Value;
        if (isFile || Inspect.IsPath(input))
            return NamedFile.Read(input, out problem) is { } bytes ? Inspect.OfFile(bytes.ToArray()) : null;
        problem = $"\"{Shown.Line(input)}\" is neither a file nor hexadecimal text";
        return null;
    }
}
