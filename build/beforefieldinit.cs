// dotnet run beforefieldinit.cs FOLDER ASSEMBLY...: copies assemblies, with `beforefieldinit` set on each type that has no static constructor.
//
// A type with that flag need not be initialized before its methods run (ECMA-335 I.8.9.5). F# never sets it, and the compiler of ReadyToRun code, which looks for
// the flag and not for a constructor, gives up on every static generic method that reference types share: those of the core and of FSharp.Core would be left to be
// compiled at every start. Where there is nothing to initialize, the flag changes nothing else.
#:property PublishAot=false
#:property ImplicitUsings=enable

using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

foreach (string path in args[1..])
{
    byte[] assembly = File.ReadAllBytes(path);
    using var image = new PEReader(new MemoryStream(assembly, writable: false));
    MetadataReader metadata = image.GetMetadataReader();
    int firstRow = image.PEHeaders.MetadataStartOffset + metadata.GetTableMetadataOffset(TableIndex.TypeDef);
    int rowSize = metadata.GetTableRowSize(TableIndex.TypeDef);
    foreach (TypeDefinitionHandle handle in metadata.TypeDefinitions)
    {
        TypeDefinition type = metadata.GetTypeDefinition(handle);
        if (type.Attributes.HasFlag(TypeAttributes.Interface) || type.GetMethods().Any(method => IsStaticConstructor(metadata, method)))
            continue;
        // The attributes are the first column of a type's row (ECMA-335 II.22.37).
        Span<byte> attributes = assembly.AsSpan(firstRow + rowSize * (MetadataTokens.GetRowNumber(handle) - 1), sizeof(int));
        BinaryPrimitives.WriteInt32LittleEndian(attributes, (int)(type.Attributes | TypeAttributes.BeforeFieldInit));
    }
    File.WriteAllBytes(Path.Combine(args[0], Path.GetFileName(path)), assembly);
}

static bool IsStaticConstructor(MetadataReader metadata, MethodDefinitionHandle method) =>
    metadata.StringComparer.Equals(metadata.GetMethodDefinition(method).Name, ".cctor");
